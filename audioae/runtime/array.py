"""Cleans arrays in one call."""

import math
import os
import warnings
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audioae.audio.layout import AnyWave, Audio, finite_or_warn, to_wave
from audioae.errors import AudioaeWarning
from audioae.nn.streaming import Streaming
from audioae.runtime.loading import streaming
from audioae.runtime.segments import in_segments
from audioae.runtime.streamer import Streamer
from audioae.signal.arrays import as_array, joined, split
from audioae.system.threads import count, for_sound
from audioae.weight_files import identity

BLOCK_SECONDS = 4.0
"""Length of the blocks of long audio: long enough for full speed, short enough for the processor's cache."""


def denoise(
    audio: Audio,
    rate: int,
    model: str | os.PathLike[str] | Streaming[Any] = "default",
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
        loudness: integrated loudness of the result in LUFS, with true peaks of at most -1 dBTP; None leaves it unchanged.

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
    if isinstance(model, str | os.PathLike):
        denoiser = _load_once(os.fspath(model), device, identity(model))
    else:
        denoiser = streaming(model)
    if denoiser.rebuilds_noise:
        warnings.warn(why_no_denoiser(denoiser), AudioaeWarning, stacklevel=2)
    streamer = Streamer(denoiser, rate, atten_limit, mix, channels)
    batch, channel_count, samples = wave.shape
    workers = count()
    with for_sound(math.prod(wave.shape), streamer.rate):
        wave = finite_or_warn(wave)
        if not samples:
            return back(wave)
        with in_segments(streamer, workers, samples, channel_count) if batch == 1 else nullcontext(streamer) as cleaning:
            block = int(BLOCK_SECONDS * streamer.rate)
            parts: list[AnyWave] = [cleaning.feed_wave(part) for part in split(wave, block)]
            clean = joined([*parts, cleaning.flush_wave()])
    return back(clean if loudness is None else _levelled(as_array(clean), streamer.rate, loudness))


def _levelled(wave: NDArray[np.float32], rate: int, loudness: float) -> NDArray[np.float32]:
    """A batch ``(B, C, N)`` with each recording at this loudness."""
    from audioae.runtime.loudness import level

    return np.stack([level(each.T, rate, loudness).T for each in wave])


@lru_cache(maxsize=1)
def _load_once(model: str, device: str, file: tuple[str, int, int, int]) -> Streaming[Any]:
    """The model, cached until another model is asked for or its file changes."""
    return streaming(model, device)


def why_no_denoiser(model: Streaming[Any]) -> str:
    """Message about a model with :attr:`~audioae.nn.streaming.Streaming.rebuilds_noise`."""
    if model.restores:
        return f"{model.name}: keeps noise and repairs damage: take a denoiser, or `audioae restore`"
    return (
        f"{model.name}: is an autoencoder that was not trained on noise and makes recordings worse: take a denoiser "
        "(`audioae models` lists them), or `audioae reconstruct` to hear what its codes keep"
    )
