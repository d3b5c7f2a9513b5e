"""Spectra that several losses share."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor, device

from audioae.signal.stft import STFT

_transforms: dict[tuple[int, device], STFT] = {}
_known: ContextVar[list[tuple[Tensor, int, Tensor, Tensor]] | None] = ContextVar("_known", default=None)
_FLOOR = 1e-10


@contextmanager
def shared() -> Iterator[None]:
    """Compute the spectrum of a wave once within this context; nothing is kept afterwards."""
    token = _known.set([])
    try:
        yield
    finally:
        _known.reset(token)


def spectrum(wave: Tensor, rate: int) -> tuple[Tensor, Tensor]:
    """``(B, C, N)`` to its spectrum and the magnitude of that, ``(B, C, F, T)`` both."""
    known = _known.get()
    for other, at, spec, size in known or ():
        if other is wave and at == rate:
            return spec, size
    place = (rate, wave.device)
    if place not in _transforms:
        _transforms[place] = STFT(rate).to(wave.device)
    # Scaled so that amplitudes are equal at every rate; the sum of the window depends on the rate.
    spec = _transforms[place](wave) * (512 / _transforms[place].n_fft)
    size = magnitude(spec)
    if known is not None:
        known.append((wave, rate, spec, size))
    return spec, size


def magnitude(spec: Tensor) -> Tensor:
    """``|X|``, slightly above zero, where it has no gradient."""
    return (spec.real.square() + spec.imag.square() + _FLOOR).sqrt()
