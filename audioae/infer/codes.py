"""What autoencoders are for beside cleaning: codes of recordings, and sound from codes.

A code is D numbers for each patch of a recording; with it stands the time at which the patch begins.
"""

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.audio.layout import Audio, finite_or_warn, to_wave
from audioae.bundle import load, replace_file
from audioae.denoiser import Denoiser, whole_rate
from audioae.errors import BundleError, InputError
from audioae.models.autoencoder import Model as Autoencoder
from audioae.patches import patches_of
from audioae.signal.phase import griffin_lim
from audioae.signal.resample import resample
from audioae.signal.stft import HOP_SECONDS, hop_length

LEVEL = 1.2e-3
"""Level of sounds that have no recording to take it from: that of speech at -26 dBFS."""
AT_ONCE = 512
Model = str | os.PathLike[str] | Denoiser


@dataclass(frozen=True)
class Codes:
    """Codes of one recording.

    Attributes:
        values: ``(C, M, D)`` for C channels and M patches.
        times: seconds at which the patches begin, ``(M,)``.
        levels: of each channel, which the codes do not hold, ``(C,)``.
        samples: N of the recording.
        rate: of the recording in Hz.
        model: name of the autoencoder.
    """

    values: NDArray[np.float32]
    times: NDArray[np.float64]
    levels: NDArray[np.float32]
    samples: int
    rate: int
    model: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an ``.npz`` file that numpy reads; it is replaced whole or not at all.

        Raises:
            OutputError: the folder cannot be written.
        """
        content = io.BytesIO()
        np.savez_compressed(content, **vars(self))
        replace_file(path, content.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Codes":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or one of something else.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                held = {name: file[name] for name in cls.__dataclass_fields__}
            codes = cls(
                np.asarray(held["values"], np.float32),
                np.asarray(held["times"], np.float64),
                np.asarray(held["levels"], np.float32),
                int(held["samples"]),
                int(held["rate"]),
                str(held["model"]),
            )
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file") from None
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not codes that `audioae encode` wrote ({error})") from None
        if codes.values.ndim != 3 or codes.levels.shape != codes.values.shape[:1] or codes.samples < 0:
            raise InputError(f"{path}: holds codes of shape {codes.values.shape}: they should be (channels, patches, size)")
        if not (np.isfinite(codes.values).all() and np.isfinite(codes.levels).all()):
            raise InputError(f"{path}: holds codes that are not finite")
        hop_length(codes.rate)
        return codes


def encode(audio: Audio, rate: int, model: Model) -> Codes:
    """The codes of a recording.

    Args:
        audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; floats in [-1, 1].
        rate: sample rate in Hz.
        model: an autoencoder of the package, a bundle's path, or one that is loaded.

    Raises:
        InputError: an unusable array or rate.
        BundleError: no such model, or one that has no codes.
    """
    denoiser, autoencoder = _autoencoder(model)
    wave = _one(to_wave(audio)[0])
    with torch.inference_mode():
        found = patches_of(denoiser, wave, whole_rate(rate))
        patches, level = found.values, found.level / denoiser.transform(whole_rate(rate)).hop
        values = _in_parts(autoencoder.encode, patches.flatten(0, 1)).unflatten(0, patches.shape[:2])
    times = np.arange(patches.shape[1], dtype=np.float64) * (autoencoder.config.frames * HOP_SECONDS)
    return Codes(values.cpu().numpy(), times, level.cpu().numpy(), wave.shape[-1], int(rate), denoiser.name)


def decode(codes: Codes, model: Model, seed: int = 0) -> NDArray[np.float32]:
    """A sound ``(frames, channels)`` at the recording's rate and of its length, from its codes alone.

    Its phase is made up by Griffin-Lim, beginning with ``seed``.

    Raises:
        InputError: codes of another model's size.
        BundleError: no such model, or one that has no codes.
    """
    denoiser, autoencoder = _autoencoder(model)
    size = autoencoder.config.code
    if codes.values.shape[2] != size:
        raise InputError(f"codes of {codes.values.shape[2]} numbers, made by {codes.model}: {denoiser.name} has {size}")
    sound = _sound(denoiser, autoencoder, torch.from_numpy(codes.values), torch.from_numpy(codes.levels), seed)
    own = autoencoder.config.rate
    wave = np.stack([resample(channel.numpy(), own, codes.rate) for channel in sound], axis=1)
    missing = max(0, codes.samples - len(wave))
    return np.pad(wave, ((0, missing), (0, 0)))[: codes.samples]


def reconstruct(audio: Audio, rate: int, model: Model, phase: Literal["input", "griffin_lim"] = "input") -> Audio:
    """A recording as it comes out of an autoencoder, of the same type and shape.

    Args:
        audio: as in :func:`encode`.
        rate: sample rate in Hz.
        model: as in :func:`encode`.
        phase: ``input`` keeps the recording's own and the fine structure within bands; ``griffin_lim`` makes one up.

    Raises:
        InputError: an unusable array, rate or setting.
        BundleError: no such model, or one that has no codes.
    """
    if phase not in ("input", "griffin_lim"):
        raise InputError(f"phase {phase!r}: give 'input' or 'griffin_lim'")
    denoiser, autoencoder = _autoencoder(model)
    wave, back = to_wave(audio)
    if phase == "griffin_lim":
        codes = encode(audio, rate, denoiser)
        return back(torch.from_numpy(decode(codes, denoiser).T.copy()).unsqueeze(0))
    with torch.inference_mode():
        spec, _, heard = patches_of(denoiser, _one(wave), whole_rate(rate))
        rebuilt = _in_parts(lambda p: autoencoder.decode(autoencoder.encode(p)), heard.flatten(0, 1)).view_as(heard)
        wanted, present = (side.transpose(-1, -2).flatten(1, 2) for side in (rebuilt, heard))  # (C, M * P, K)
        gain = autoencoder.features.gain(wanted, present, spec.shape[1])
        clean = denoiser.transform(whole_rate(rate)).inverse((spec * gain).unsqueeze(0), wave.shape[-1])
    return back(clean)


def sample(model: Model, count: int = 1, seed: int = 0, patches: int = 1) -> tuple[NDArray[np.float32], int]:
    """New sounds ``(count, frames)`` of a variational autoencoder, drawn from its prior, and their rate in Hz.

    Args:
        model: as in :func:`encode`.
        count: how many.
        seed: the same seed gives the same sounds.
        patches: drawn independently, one after the other.

    Raises:
        BundleError: no such model, or one that is not variational.
    """
    denoiser, autoencoder = _autoencoder(model)
    if not autoencoder.config.variational:
        raise BundleError(f"{denoiser.name}: is not variational: only such a model can be sampled from")
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, patches, autoencoder.config.code, generator=generator)
    return _sound(denoiser, autoencoder, values, torch.full((count,), LEVEL), seed).numpy(), autoencoder.config.rate


def interpolate(first: Codes, second: Codes, steps: int = 5) -> list[Codes]:
    """Codes on the straight line from one recording's to another's, both ends included, as long as the shorter one.

    Raises:
        InputError: fewer than two steps, or codes that do not go together.
    """
    if steps < 2:
        raise InputError(f"{steps} steps: give 2 or more, the two ends included")
    if first.values.shape[::2] != second.values.shape[::2] or first.rate != second.rate or first.model != second.model:
        raise InputError("the two recordings should have the same channels and sample rate, and codes of the same model")
    count = min(first.values.shape[1], second.values.shape[1])
    samples = min(first.samples, second.samples)
    between = []
    for share in np.linspace(0, 1, steps, dtype=np.float32):
        values = (1 - share) * first.values[:, :count] + share * second.values[:, :count]
        levels = first.levels ** (1 - share) * second.levels**share
        between.append(Codes(values, first.times[:count], levels, samples, first.rate, first.model))
    return between


def _autoencoder(model: Model) -> tuple[Denoiser, Autoencoder]:
    denoiser = model if isinstance(model, Denoiser) else load(model)
    if not isinstance(denoiser.model, Autoencoder):
        raise BundleError(f"{denoiser.name}: is a {denoiser.recipe.model.kind}, which has no codes: give an autoencoder")
    return denoiser, denoiser.model


def _one(wave: Tensor) -> Tensor:
    """The only recording ``(C, N)`` of ``(B, C, N)``."""
    if len(wave) != 1:
        raise InputError(f"a batch of {len(wave)} recordings: give one at a time")
    return finite_or_warn(wave)[0]


def _sound(denoiser: Denoiser, autoencoder: Autoencoder, values: Tensor, levels: Tensor, seed: int) -> Tensor:
    """Codes ``(B, M, D)`` and levels ``(B,)`` to waves ``(B, N)`` at the model's own rate."""
    stft = denoiser.transform(autoencoder.config.rate)
    with torch.inference_mode():
        patches = _in_parts(autoencoder.decode, values.to(denoiser.device).flatten(0, 1)).unflatten(0, values.shape[:2])
        bands = patches.transpose(-1, -2).flatten(1, 2)
        magnitude = autoencoder.features.magnitude(bands) * (levels.to(bands) * stft.hop)[:, None, None]
        return griffin_lim(magnitude, stft, seed).cpu()


def _in_parts(function: Callable[[Tensor], Tensor], patches: Tensor) -> Tensor:
    return torch.cat([function(part) for part in patches.split(AT_ONCE)])
