"""Losses on spectra. Every function takes ``(estimate, target)``, float waves ``(B, C, N)`` at ``rate`` Hz, to a scalar.

Waves come scaled by the noisy input's level, so that a loud and a quiet example count alike.
"""

import torch
from torch import Tensor

from audioae.signal.stft import STFT

_transforms: dict[tuple[int, torch.device], STFT] = {}
_FLOOR = 1e-10


def _spectrum(wave: Tensor, rate: int) -> Tensor:
    key = (rate, wave.device)
    if key not in _transforms:
        _transforms[key] = STFT(rate).to(wave.device)
    # An amplitude means the same at every rate: the window's sum grows with it.
    return _transforms[key](wave) * (512 / _transforms[key].n_fft)


def _magnitude(spec: Tensor) -> Tensor:
    return (spec.real.square() + spec.imag.square() + _FLOOR).sqrt()


def compressed_magnitude(estimate: Tensor, target: Tensor, rate: int, power: float = 0.3) -> Tensor:
    """Mean squared difference of ``|X|**power`` (Braun & Tashev, "A consolidated view of loss functions", 2021)."""
    difference = _magnitude(_spectrum(estimate, rate)) ** power - _magnitude(_spectrum(target, rate)) ** power
    return difference.square().mean()


def compressed_complex(estimate: Tensor, target: Tensor, rate: int, power: float = 0.3) -> Tensor:
    """Mean squared difference of the spectra with compressed magnitude and kept phase (Braun & Tashev 2021)."""
    a, b = _spectrum(estimate, rate), _spectrum(target, rate)
    difference = a * _magnitude(a) ** (power - 1) - b * _magnitude(b) ** (power - 1)
    return (difference.real.square() + difference.imag.square()).mean()


def over_suppression(estimate: Tensor, target: Tensor, rate: int, power: float = 0.3) -> Tensor:
    """Mean squared shortfall of ``|X|**power``: only speech taken away counts (after Eskimez et al. 2022)."""
    shortfall = _magnitude(_spectrum(target, rate)) ** power - _magnitude(_spectrum(estimate, rate)) ** power
    return shortfall.clamp_min(0).square().mean()


def multi_resolution_stft(
    estimate: Tensor, target: Tensor, rate: int, windows: tuple[float, ...] = (0.008, 0.02, 0.05)
) -> Tensor:
    """Spectral convergence plus log-magnitude difference, windows in seconds (Yamamoto et al. 2020)."""
    total = estimate.new_zeros(())
    for seconds in windows:
        size = 2 * round(seconds * rate / 2)
        window = torch.hann_window(size, device=estimate.device)
        a, b = (
            _magnitude(torch.stft(w.flatten(0, 1), size, size // 4, window=window, return_complex=True))
            for w in (estimate, target)
        )
        convergence = (b - a).norm(dim=(1, 2)) / b.norm(dim=(1, 2)).clamp_min(1e-3)
        # An example without speech has no scale to converge on.
        speech = target.flatten(0, 1).square().mean(-1) > 1e-6
        total = total + (convergence * speech).mean() + (torch.log(a + 1e-3) - torch.log(b + 1e-3)).abs().mean()
    return total / len(windows)
