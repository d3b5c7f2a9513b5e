"""Losses on spectra. Every function takes ``(estimate, target)``, float waves ``(B, C, N)`` at ``rate`` Hz, to a scalar.

Waves are scaled by the level of the noisy input, so that loud and quiet examples have equal weight.
"""

import torch
from torch import Tensor

from audioae.denoisers.spectra import magnitude, spectrum


def compressed_magnitude(estimate: Tensor, target: Tensor, rate: int, power: float = 0.3) -> Tensor:
    """Mean squared difference of ``|X|**power`` (Braun & Tashev, "A consolidated view of loss functions", 2021)."""
    (_, a), (_, b) = (spectrum(wave, rate) for wave in (estimate, target))
    difference = a**power - b**power
    return difference.square().mean()


def compressed_complex(estimate: Tensor, target: Tensor, rate: int, power: float = 0.3) -> Tensor:
    """Mean squared difference of the spectra with compressed magnitude and kept phase (Braun & Tashev 2021)."""
    a, b = (spec * size ** (power - 1) for spec, size in (spectrum(wave, rate) for wave in (estimate, target)))
    difference = a - b
    return (difference.real.square() + difference.imag.square()).mean()


def over_suppression(estimate: Tensor, target: Tensor, rate: int, power: float = 0.3) -> Tensor:
    """Mean squared shortfall of ``|X|**power``: only missing speech counts (after Eskimez et al. 2022)."""
    (_, a), (_, b) = (spectrum(wave, rate) for wave in (estimate, target))
    shortfall = b**power - a**power
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
            magnitude(torch.stft(w.flatten(0, 1), size, size // 4, window=window, return_complex=True))
            for w in (estimate, target)
        )
        convergence = (b - a).norm(dim=(1, 2)) / b.norm(dim=(1, 2)).clamp_min(1e-3)
        # The spectral convergence of an example without speech is undefined.
        speech = target.flatten(0, 1).square().mean(-1) > 1e-6
        total = total + (convergence * speech).mean() + (torch.log(a + 1e-3) - torch.log(b + 1e-3)).abs().mean()
    return total / len(windows)
