"""Conversion of public arrays to waves ``(B, C, N)`` and back.

numpy arrays have the layout of soundfile, ``(frames,)`` or ``(frames, channels)``; tensors that of torchaudio,
``(..., samples)``. torch is imported only for tensors.
"""

import math
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from audioae.errors import AudioaeWarning, InputError, ModelFileError
from audioae.signal.arrays import Wave, as_array, as_tensor, is_tensor

if TYPE_CHECKING:
    from torch import Tensor

AnyWave: TypeAlias = "NDArray[np.float32] | Tensor"
Audio = TypeVar("Audio", bound="np.ndarray | Tensor")
"""Audio of the public interface; results have the same type, shape, dtype and device."""

MAX_CHANNELS = 256
LARGEST = 1e6
FULL_SCALE = 32768
"""16-bit integer for 1.0."""


def to_wave(audio: Audio) -> tuple[AnyWave, Callable[[AnyWave], Audio]]:
    """A numpy array or a tensor as a float32 wave ``(B, C, N)`` of the same library.

    Also returns a function that converts results, which may be of the other library, to its type, shape and device.

    Raises:
        InputError: integers of other than 16 bits, complex numbers, too many axes, or an implausible layout, such as two
            million channels.

    >>> wave, back = to_wave(np.zeros((16000, 2)))
    >>> wave.shape, back(wave).shape
    ((1, 2, 16000), (16000, 2))
    """
    if isinstance(audio, np.ndarray):
        return _from_numpy(audio)  # type: ignore[return-value]
    if is_tensor(audio):
        return _from_torch(audio)  # type: ignore[return-value]
    raise InputError(f"audio should be a numpy array or a torch tensor, not {type(audio).__name__}")


def _from_numpy(audio: np.ndarray) -> tuple[np.ndarray, Callable[[AnyWave], np.ndarray]]:
    if audio.dtype.kind != "f" and audio.dtype != np.int16:
        raise InputError(f"audio is {audio.dtype}: pass floats in [-1, 1], or 16-bit samples as int16")
    if audio.ndim not in (1, 2):
        raise InputError(f"audio has shape {audio.shape}: numpy audio is (frames,) or (frames, channels)")
    if audio.ndim == 2:
        _check_channels(audio.shape[1], audio.shape[0], audio.shape, "(frames, channels)", "audio.T")
    dtype = audio.dtype

    def back(wave: AnyWave) -> np.ndarray:
        samples = as_array(wave)[0]
        if dtype == np.int16:
            samples = np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1)
        return np.ascontiguousarray(samples[0] if audio.ndim == 1 else samples.T, dtype=dtype)

    columns = audio[None] if audio.ndim == 1 else audio.T
    if dtype != np.float32:
        with np.errstate(over="ignore"):  # doubles beyond float32 become infinite, which is reported later
            columns = columns.astype(np.float32)
    if dtype == np.int16:
        columns = columns / np.float32(FULL_SCALE)
    return np.ascontiguousarray(columns)[None], back


def _from_torch(audio: "Tensor") -> "tuple[Tensor, Callable[[AnyWave], Tensor]]":
    import torch

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

    def back(wave: AnyWave) -> "Tensor":
        shaped = as_tensor(wave).to(audio.device).reshape(*audio.shape[:-1], wave.shape[-1])
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


def finite(wave: Wave) -> tuple[Wave, int]:
    """The wave with NaN, infinite and extremely large samples set to zero, and their number.

    Samples beyond a million times full scale are damaged, and their squares would overflow.

    >>> finite(np.array([0.5, float("nan")], np.float32))
    (array([0.5, 0. ], dtype=float32), 1)
    """
    if isinstance(wave, np.ndarray) or cast(Any, wave).device.type == "cpu":
        samples = as_array(wave)
        squares = np.vdot(samples, samples)  # unlike np.dot it does not warn of an overflow
    else:
        squares = cast(Any, wave).detach().square().sum()
    if float(squares) <= LARGEST:  # also false for NaN; loud but valid waves are checked again below
        return wave, 0
    values: Any = wave
    good = abs(values) <= LARGEST
    bad = math.prod(wave.shape) - int(good.sum())
    if isinstance(wave, np.ndarray):
        return cast(Wave, np.where(good, wave, np.float32(0))), bad
    return cast(Wave, cast(Any, wave).where(good, 0.0)), bad


def checked(wave: Wave, name: str) -> Wave:
    """Check that the result of a model is finite. If the input is finite and the result is not, the model is broken.

    Raises:
        ModelFileError: samples are NaN or infinite; the message names the model.
    """
    if finite(wave)[1] and not np.isfinite(as_array(wave)).all():  # samples beyond [-1, 1] are limited by the writer
        raise ModelFileError(f"{name}: gives samples that are NaN or infinite: use another model")
    return wave


def finite_or_warn(wave: Wave) -> Wave:
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
