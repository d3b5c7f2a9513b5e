"""What autoencoders are for beside cleaning: codes of recordings, and sound from codes.

A code is D numbers for each patch of a recording; with it stands the time at which the patch begins.
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.audio.layout import Audio, finite_or_warn, to_wave
from audioae.autoencoders.codes import Codes
from audioae.autoencoders.models.autoencoder import Model as Autoencoder
from audioae.autoencoders.patches import patches_of
from audioae.denoisers.denoiser import Denoiser, whole_rate
from audioae.errors import AudioaeWarning, BundleError, InputError
from audioae.modelfile import load, shipped
from audioae.signal.phase import griffin_lim
from audioae.signal.resample import resample
from audioae.signal.seeds import checked_count, checked_seed, generator
from audioae.signal.stft import HOP_SECONDS, hop_length
from audioae.system.threads import for_sound

LEVEL = 1.2e-3
"""Level of sounds that have no recording to take it from: that of speech at -26 dBFS."""
AT_ONCE = 512
MOST_SOUNDS = 10_000
LONGEST = 3 * 3600
"""Seconds of sound, of all channels together, that are made at once."""
Model = str | os.PathLike[str] | Denoiser


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
    with torch.inference_mode(), for_sound(wave.numel(), whole_rate(rate)):
        found = patches_of(denoiser, wave, whole_rate(rate))
        patches, level = found.values, found.level / denoiser.transform(whole_rate(rate)).hop
        values = _in_parts(autoencoder.encode, patches.flatten(0, 1)).unflatten(0, patches.shape[:2])
    if not values.isfinite().all():
        raise BundleError(f"{denoiser.name}: gives codes that are not finite: use another model")
    times = np.arange(patches.shape[1], dtype=np.float64) * (autoencoder.config.frames * HOP_SECONDS)
    own = denoiser.name, denoiser.fingerprint()
    return Codes(values.cpu().numpy(), times, level.cpu().numpy(), wave.shape[-1], int(rate), *own)


def decode(codes: Codes, model: Model | None = None, seed: int = 0, force: bool = False) -> NDArray[np.float32]:
    """A sound ``(frames, channels)`` at the recording's rate and of its length, from its codes alone.

    Args:
        codes: from :func:`encode`.
        model: as in :func:`encode`; the one of the package that made the codes without.
        seed: of the phase that Griffin-Lim begins with.
        force: take codes of another model, if they are of the same size.

    Raises:
        InputError: codes of another model, or that say that they are of more samples than they hold.
        BundleError: no such model, or one that has no codes.

    Warns:
        AudioaeWarning: codes of an earlier version, which do not say by which weights they were made.
    """
    checked_seed(seed)
    denoiser, autoencoder = _autoencoder(_model_of(codes) if model is None else model)
    _check_origin(codes, denoiser, force)
    _check_length(codes, autoencoder)
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
    with torch.inference_mode(), for_sound(wave.numel(), whole_rate(rate)):
        spec, _, heard = patches_of(denoiser, _one(wave), whole_rate(rate))
        rebuilt = _in_parts(lambda p: autoencoder.decode(autoencoder.encode(p)), heard.flatten(0, 1)).view_as(heard)
        wanted, present = (side.transpose(-1, -2).flatten(1, 2) for side in (rebuilt, heard))  # (C, M * P, K)
        gain = autoencoder.features.gain(wanted, present, spec.shape[1])
        clean = denoiser.transform(whole_rate(rate)).inverse((spec * gain).unsqueeze(0), wave.shape[-1])
    return back(denoiser.checked(clean))


def sample(model: Model, count: int = 1, seed: int = 0, patches: int = 1) -> tuple[NDArray[np.float32], int]:
    """New sounds ``(count, frames)`` of a variational autoencoder, drawn from its prior, and their rate in Hz.

    Args:
        model: as in :func:`encode`.
        count: how many.
        seed: the same seed gives the same sounds.
        patches: drawn independently, one after the other.

    Raises:
        InputError: an unusable count or seed.
        BundleError: no such model, or one that is not variational.
    """
    count, patches = checked_count(count, "count", most=MOST_SOUNDS), checked_count(patches, "patches", most=MOST_SOUNDS)
    source = generator(seed)
    denoiser, autoencoder = _autoencoder(model)
    if not autoencoder.config.variational:
        raise BundleError(f"{denoiser.name}: is not variational: only such a model can be sampled from")
    values = torch.randn(count, patches, autoencoder.config.code, generator=source)
    return _sound(denoiser, autoencoder, values, torch.full((count,), LEVEL), seed).numpy(), autoencoder.config.rate


def interpolate(first: Codes, second: Codes, steps: int = 5) -> list[Codes]:
    """Codes on the straight line from one recording's to another's, both ends included, as long as the shorter one.

    Raises:
        InputError: fewer than two steps, or codes that do not go together.
    """
    checked_count(steps, "steps", 2, MOST_SOUNDS)
    ends = [(each.values.shape[::2], each.rate, each.model, each.fingerprint) for each in (first, second)]
    if ends[0] != ends[1]:
        raise InputError("the two recordings should have the same channels and sample rate, and codes of the same model")
    count = min(first.values.shape[1], second.values.shape[1])
    samples = min(first.samples, second.samples)
    between = []
    for share in np.linspace(0, 1, steps, dtype=np.float32):
        values = (1 - share) * first.values[:, :count] + share * second.values[:, :count]
        levels = first.levels ** (1 - share) * second.levels**share
        between.append(replace(first, values=values, times=first.times[:count], levels=levels, samples=samples))
    return between


def _autoencoder(model: Model) -> tuple[Denoiser, Autoencoder]:
    denoiser = model if isinstance(model, Denoiser) else load(model)
    if not isinstance(denoiser.model, Autoencoder):
        raise BundleError(f"{denoiser.name}: is a {denoiser.recipe.model.kind}, which has no codes: give an autoencoder")
    denoiser.check_precision()
    return denoiser, denoiser.model


def _model_of(codes: Codes) -> str:
    """The model of the package that made the codes.

    Raises:
        InputError: it is none of the package.
    """
    if codes.model not in shipped():
        raise InputError(
            f"the codes were made by {codes.model!r}, which is not in the package: give its bundle as the model"
        )
    return codes.model


def _check_origin(codes: Codes, denoiser: Denoiser, force: bool) -> None:
    """Refuse codes of other weights.

    Raises:
        InputError: they are.
    """
    size, own = codes.values.shape[2], denoiser.recipe.model.code  # type: ignore[attr-defined]
    if size != own:
        raise InputError(f"codes of {size} numbers, made by {codes.model}: {denoiser.name} has {own}")
    if force:
        return
    if codes.fingerprint and codes.fingerprint != denoiser.fingerprint():
        other = f"other weights of {codes.model}" if codes.model == denoiser.name else codes.model
        raise InputError(
            f"the codes were made by {other}, which {denoiser.name} makes noise of: give that model, or force it"
        )
    if not codes.fingerprint and codes.model != denoiser.name:
        raise InputError(f"the codes were made by {codes.model}, not by {denoiser.name}: give that model, or force it")
    if not codes.fingerprint:
        warnings.warn(
            f"codes of an earlier version do not say which weights made them: they were taken for {denoiser.name}'s",
            AudioaeWarning,
            stacklevel=3,
        )


def _check_length(codes: Codes, autoencoder: Autoencoder) -> None:
    """Refuse codes whose recording is longer than their patches, or too long to be made at once.

    Raises:
        InputError: it is.
    """
    channels, patches, _ = codes.values.shape
    frames = patches * autoencoder.config.frames
    if codes.samples > frames * hop_length(codes.rate):
        raise InputError(f"codes of {patches} patches that say that they are of {codes.samples} samples: they are damaged")
    if channels * frames * HOP_SECONDS > LONGEST:
        hours = channels * frames * HOP_SECONDS / 3600
        raise InputError(f"codes of {hours:.0f} h of sound, of all channels together: {LONGEST // 3600} h at most")


def _one(wave: Tensor) -> Tensor:
    """The only recording ``(C, N)`` of ``(B, C, N)``."""
    if len(wave) != 1:
        raise InputError(f"a batch of {len(wave)} recordings: give one at a time")
    return finite_or_warn(wave)[0]


def _sound(denoiser: Denoiser, autoencoder: Autoencoder, values: Tensor, levels: Tensor, seed: int) -> Tensor:
    """Codes ``(B, M, D)`` and levels ``(B,)`` to waves ``(B, N)`` at the model's own rate."""
    stft = denoiser.transform(autoencoder.config.rate)
    frames = values.shape[0] * values.shape[1] * autoencoder.config.frames
    with torch.inference_mode(), for_sound(frames * stft.hop, autoencoder.config.rate):
        patches = _in_parts(autoencoder.decode, values.to(denoiser.device).flatten(0, 1)).unflatten(0, values.shape[:2])
        bands = patches.transpose(-1, -2).flatten(1, 2)
        magnitude = autoencoder.features.magnitude(bands) * (levels.to(bands) * stft.hop)[:, None, None]
        return denoiser.checked(griffin_lim(magnitude, stft, seed).cpu())


def _in_parts(function: Callable[[Tensor], Tensor], patches: Tensor) -> Tensor:
    return torch.cat([function(part) for part in patches.split(AT_ONCE)])
