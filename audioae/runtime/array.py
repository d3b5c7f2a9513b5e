"""Cleans arrays in one call."""

import os
import warnings
from contextlib import nullcontext
from functools import lru_cache

import torch

from audioae.audio.layout import Audio, finite_or_warn, to_wave
from audioae.errors import AudioaeWarning
from audioae.nn.trained import StreamingModel, TrainedModel
from audioae.runtime.onnx_run import resolved
from audioae.runtime.segments import in_segments
from audioae.runtime.streamer import Streamer
from audioae.system.threads import for_sound
from audioae.weight_files import identity

BLOCK_SECONDS = 4.0
"""Length of the blocks of long audio: long enough for full speed, short enough for the processor's cache."""


def denoise(
    audio: Audio,
    rate: int,
    model: str | os.PathLike[str] | StreamingModel = "default",
    atten_limit: float | None = None,
    mix: float = 1.0,
    channels: str = "linked",
    device: str = "cpu",
    loudness: float | None = None,
) -> Audio:
    """Clean an array of any length.

    Args:
        audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; floats in [-1, 1], or int16.
        rate: sample rate in Hz, 8 000 to 192 000.
        model: a model of the package or the path of a model file, which is cached for the next call; or a loaded model.
        atten_limit: largest attenuation in dB; None for no limit.
        mix: 1 for the cleaned signal, 0 for the input, or between.
        channels: ``linked`` for one mask on all channels, which keeps the stereo image; ``independent`` for one per channel.
        device: where to run: ``cpu``, ``cuda``, ``mps`` or ``auto``; a loaded model runs where it is.
        loudness: integrated loudness of the result in LUFS, with true peaks of at most -1 dBTP; None leaves it as it comes.

    Returns:
        The cleaned recording, of the same type, shape, dtype and device.

    Raises:
        InputError: an unusable array, rate or setting.
        ModelFileError: no such model or device.
        MissingExtraError: ``loudness`` needs ``audioae[media]``.

    Warns:
        AudioaeWarning: NaN or infinite samples, which are taken as zero; a model that was not trained on noise.

    >>> import numpy as np, audioae
    >>> audioae.denoise(np.zeros((4410, 2)), 44100).shape
    (4410, 2)
    """
    wave, back = to_wave(audio)
    if isinstance(model, TrainedModel):
        denoiser = resolved(model, StreamingModel)
    else:
        denoiser = _load_once(os.fspath(model), device, identity(model))
    if denoiser.rebuilds_noise:
        warnings.warn(why_no_denoiser(denoiser.name), AudioaeWarning, stacklevel=2)
    streamer = Streamer(denoiser, rate, atten_limit, mix, channels)
    batch, count, samples = wave.shape
    workers = torch.get_num_threads()
    with for_sound(wave.numel(), streamer.rate):
        wave = finite_or_warn(wave)
        if not samples:
            return back(wave)
        with in_segments(streamer, workers, samples, count) if batch == 1 else nullcontext(streamer) as cleaning:
            block = int(BLOCK_SECONDS * streamer.rate)
            parts: list[torch.Tensor] = [cleaning.feed_wave(part) for part in wave.split(block, dim=-1)]
            clean = torch.cat([*parts, cleaning.flush_wave()], dim=-1)
    return back((clean if loudness is None else _levelled(clean, streamer.rate, loudness)).to(wave.device))


def _levelled(wave: torch.Tensor, rate: int, loudness: float) -> torch.Tensor:
    """Each recording of a batch ``(B, C, N)`` with this loudness."""
    from audioae.runtime.loudness import level

    made = [torch.from_numpy(level(each.T.cpu().numpy(), rate, loudness).T) for each in wave]
    return torch.stack(made)


@lru_cache(maxsize=1)
def _load_once(model: str, device: str, file: tuple[str, int, int, int]) -> StreamingModel:
    """The model, cached until another model is asked for or its file changes."""
    return resolved(model, StreamingModel, device)


def why_no_denoiser(name: str) -> str:
    """Message for a model of this name that :attr:`~audioae.nn.trained.StreamingModel.rebuilds_noise`."""
    return (
        f"{name}: is an autoencoder that was not trained on noise and makes recordings worse: take a denoiser "
        "(`audioae models` lists them), or `audioae reconstruct` to hear what its codes keep"
    )
