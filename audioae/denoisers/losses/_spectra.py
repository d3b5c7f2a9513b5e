"""Spectra that several losses are made of, computed once for all of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor, device

from audioae.signal.stft import STFT

_transforms: dict[tuple[int, device], STFT] = {}
_known: ContextVar[dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] | None] = ContextVar("_known", default=None)
_FLOOR = 1e-10


@contextmanager
def shared() -> Iterator[None]:
    """Within it a wave's spectrum is computed once, whoever asks for it; after it nothing is kept."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


def spectrum(wave: Tensor, rate: int) -> tuple[Tensor, Tensor]:
    """``(B, C, N)`` to its spectrum and the magnitude of that, ``(B, C, F, T)`` both."""
    known = _known.get()
    if known is not None and (id(wave), rate) in known:
        return known[id(wave), rate][1:]
    place = (rate, wave.device)
    if place not in _transforms:
        _transforms[place] = STFT(rate).to(wave.device)
    # An amplitude means the same at every rate: the window's sum grows with it.
    spec = _transforms[place](wave) * (512 / _transforms[place].n_fft)
    size = magnitude(spec)
    if known is not None:  # with the wave itself, so that no other one takes its place in memory
        known[id(wave), rate] = (wave, spec, size)
    return spec, size


def magnitude(spec: Tensor) -> Tensor:
    """``|X|``, never quite zero, where it has no gradient."""
    return (spec.real.square() + spec.imag.square() + _FLOOR).sqrt()
