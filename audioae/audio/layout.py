"""Conversion of public arrays to waves ``(B, C, N)`` and back.

numpy arrays have the layout of soundfile, ``(frames,)`` or ``(frames, channels)``; tensors that of torchaudio,
``(..., samples)``.
"""

import math
import warnings
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from audioae.errors import AudioaeWarning, InputError

Audio = TypeVar("Audio", bound=np.ndarray | Tensor)
"""Audio of the public interface; results have the same type, shape, dtype and device."""

MAX_CHANNELS = 256
LARGEST = 1e6
FULL_SCALE = 32768
"""16-bit integer for 1.0."""


def to_wave(audio: Audio) -> tuple[Tensor, Callable[[Tensor], Audio]]:
    """A numpy array or a tensor as float32 ``(B, C, N)``, and a function that converts results to its type and shape.

    Raises:
        InputError: integers of other than 16 bits, complex numbers, too many axes, or an implausible layout, such as two
            million channels.

    >>> wave, back = to_wave(np.zeros((16000, 2)))
    >>> wave.shape, back(wave).shape
    (torch.Size([1, 2, 16000]), (16000, 2))
    """
    if isinstance(audio, np.ndarray):
        return _from_numpy(audio)  # type: ignore[return-value]
    if isinstance(audio, Tensor):
        return _from_torch(audio)  # type: ignore[return-value]
    raise InputError(f"audio should be a numpy array or a torch tensor, not {type(audio).__name__}")


def _from_numpy(audio: np.ndarray) -> tuple[Tensor, Callable[[Tensor], np.ndarray]]:
    if audio.dtype.kind != "f" and audio.dtype != np.int16:
        raise InputError(f"audio is {audio.dtype}: pass floats in [-1, 1], or 16-bit samples as int16")
    if audio.ndim not in (1, 2):
        raise InputError(f"audio has shape {audio.shape}: numpy audio is (frames,) or (frames, channels)")
    if audio.ndim == 2:
        _check_channels(audio.shape[1], audio.shape[0], audio.shape, "(frames, channels)", "audio.T")
    dtype = audio.dtype

    def back(wave: Tensor) -> np.ndarray:
        samples = wave.detach().cpu().numpy()[0]
        if dtype == np.int16:
            samples = np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)
        return np.ascontiguousarray(samples[0] if audio.ndim == 1 else samples.T, dtype=dtype)

    columns = audio[None] if audio.ndim == 1 else audio.T
    if dtype != np.float32:
        with np.errstate(over="ignore"):  # doubles beyond float32 become infinite, which is reported later
            columns = columns.astype(np.float32)
    if dtype == np.int16:
        columns = columns / np.float32(FULL_SCALE)
    columns = np.ascontiguousarray(columns)
    # Copies read-only memory, such as memory maps, of which torch would warn.
    return torch.from_numpy((columns if columns.flags.writeable else columns.copy())[None]), back


def _from_torch(audio: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    if not audio.is_floating_point() and audio.dtype != torch.int16:
        raise InputError(f"audio is {audio.dtype}: pass floats in [-1, 1], or 16-bit samples as torch.int16")
    if audio.ndim not in (1, 2, 3):
        raise InputError(
            f"audio has shape {tuple(audio.shape)}: torch audio is (samples,), (channels, samples) or with a batch"
        )
    if audio.ndim == 3 and not len(audio):
        raise InputError(f"audio has shape {tuple(audio.shape)}: a batch without recordings")
    if audio.ndim > 1:
        _check_channels(audio.shape[-2], audio.shape[-1], tuple(audio.shape), "(..., channels, samples)", "audio.T")

    def back(wave: Tensor) -> Tensor:
        shaped = wave.reshape(*audio.shape[:-1], wave.shape[-1])
        if audio.dtype == torch.int16:
            shaped = (shaped * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1)
        return shaped.to(audio.dtype)

    floats = audio.float() / FULL_SCALE if audio.dtype == torch.int16 else audio.float()
    return floats.resolve_neg().reshape((1,) * (3 - audio.ndim) + tuple(audio.shape)), back


def _check_channels(channels: int, samples: int, shape: tuple[int, ...], layout: str, fix: str) -> None:
    if channels == 0:
        raise InputError(f"audio has shape {shape}: no channels")
    # A live chunk may be one sample of stereo, so more channels than samples are a mistake only for large numbers.
    if channels > MAX_CHANNELS:
        raise InputError(f"audio has shape {shape}, that is {channels} channels as {layout}: pass {fix}?")


def finite(wave: Tensor) -> tuple[Tensor, int]:
    """The wave with NaN, infinite and extremely large samples set to zero, and their number.

    Samples beyond a million times full scale are damaged, and their squares would overflow.

    >>> finite(torch.tensor([0.5, float("nan")]))
    (tensor([0.5000, 0.0000]), 1)
    """
    if wave.device.type == "cpu":
        samples = wave.detach().numpy()
        squares = np.vdot(samples, samples)  # unlike np.dot it does not warn of an overflow
    else:
        squares = wave.detach().square().sum()
    if float(squares) <= LARGEST:  # also false for NaN; loud but valid waves are checked again below
        return wave, 0
    good = wave.abs() <= LARGEST
    return torch.where(good, wave, 0.0), int(good.numel() - good.sum())


def finite_or_warn(wave: Tensor) -> Tensor:
    """:func:`finite`, with an :class:`AudioaeWarning` that counts the samples."""
    wave, bad = finite(wave)
    if bad:
        warnings.warn(f"{bad} samples were NaN or infinite; they were taken as zero", AudioaeWarning, stacklevel=3)
    return wave


def whole_rate(rate: float) -> int:
    """A sample rate as an integer.

    Raises:
        InputError: not a whole number.
    """
    try:
        value = float(rate) if not isinstance(rate, bool | str) else math.nan
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value) or value != int(value):
        raise InputError(f"sample rate {rate!r}: give a whole number of Hz, as in denoise(audio, 16000)")
    return int(value)
