"""A loss on loudness, after PESQ. It takes ``(estimate, target)``, float waves ``(B, C, N)`` at ``rate`` Hz, to a scalar."""

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from audioae.signal.fourier import rfft
from audioae.signal.framing import hop_length

BANDS = 49
TOP_HZ = 8_000.0
POWER = 1e7
"""Mean power to which both sides are scaled, about 79 dB of sound pressure level."""
EXPONENT = 0.23
LOUDEST = 45.0
ASYMMETRY = 0.309
"""Weight of the asymmetric disturbance relative to the symmetric one, as in PESQ."""
_FLOOR = 1e-10


def loudness_disturbance(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Difference in loudness per Bark band; added sound counts more than missing sound.

    A differentiable form of the perceptual model of PESQ (ITU-T P.862), after Martin-Donas et al., "A deep learning loss
    function based on the perceptual evaluation of the speech quality", 2018: levels aligned, Bark bands, Zwicker's loudness
    over the threshold of hearing, partial compensation of tone and gain, a dead zone, symmetric and asymmetric disturbance.
    Time is averaged by the root mean square. Bands end at 8 kHz. Silent targets do not count.

    Args:
        estimate: ``(B, C, N)``.
        target: ``(B, C, N)``.
        rate: Hz.
    """
    reference = target.flatten(0, 1)
    speech = reference.square().mean(-1) > 1e-6
    a, b = (_bark_power(wave.flatten(0, 1), rate) for wave in (estimate, target))  # (B * C, T, K)
    total = b.sum(-1)
    active = (total > 1e-4 * POWER).unsqueeze(-1)
    means = [(power * active).sum(1, keepdim=True) / active.sum(1, keepdim=True).clamp_min(1) for power in (a, b)]
    b = b * ((means[0] + 1e3) / (means[1] + 1e3)).clamp(0.01, 100)
    a = a * ((b.sum(-1, keepdim=True) + 5e3) / (a.sum(-1, keepdim=True) + 5e3)).clamp(3e-4, 5)
    threshold, width = _threshold_and_width(rate, estimate.device)
    loud_a, loud_b = (_loudness(power, threshold) for power in (a, b))
    difference = (loud_a - loud_b).abs()
    difference = (difference - 0.25 * torch.minimum(loud_a, loud_b)).clamp_min(0)
    factor = ((a + 50) / (b + 50)) ** 1.2
    factor = torch.where(factor < 3, 0.0, factor.clamp_max(12))
    weight = ((total + 1e5) / POWER) ** 0.04
    symmetric = ((difference * width).square().sum(-1) + _FLOOR).sqrt() * width.sum().sqrt()
    asymmetric = (difference * factor * width).sum(-1)
    both = [((each / weight).clamp_max(LOUDEST).square().mean(1) + _FLOOR).sqrt() for each in (symmetric, asymmetric)]
    # Divided by all examples, including those without speech, so that shares of a batch on several processes agree.
    return 0.1 * ((both[0] + ASYMMETRY * both[1]) * speech).mean()


def _bark_power(wave: Tensor, rate: int) -> Tensor:
    size = 2 * hop_length(rate)
    spec = rfft(wave.unfold(-1, size, size // 2) * torch.hann_window(size, device=wave.device))
    power = spec.real.square() + spec.imag.square()
    first, last = math.ceil(325 * size / rate), math.floor(3250 * size / rate)
    level = power[..., first : last + 1].sum(-1).mean(-1)[:, None, None]
    return (power * (POWER / (level + 1e-4 * size))) @ _table(rate).to(wave.device)


def _loudness(power: Tensor, threshold: Tensor) -> Tensor:
    scale = 0.1866 * (threshold / 0.5) ** EXPONENT
    return scale * ((0.5 + 0.5 * power / threshold) ** EXPONENT - 1).clamp_min(0)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _table(rate: int) -> Tensor:
    """Bins to Bark bands: ``(F, K)`` of zeros and ones."""
    hz = np.arange(hop_length(rate) + 1) * rate / (2 * hop_length(rate))
    edges = np.linspace(0, _bark(min(TOP_HZ, rate / 2)), BANDS + 1)
    band = np.digitize(_bark(hz), edges[1:-1])
    table = np.eye(BANDS, dtype=np.float32)[band]
    table[(hz > TOP_HZ) | (hz == 0)] = 0
    return torch.from_numpy(table)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _threshold_and_width(rate: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Power at the threshold of hearing (Terhardt 1979) and width in Bark, of each band: ``(K,)`` twice."""
    top = _bark(min(TOP_HZ, rate / 2))
    middle = (np.arange(BANDS) + 0.5) * top / BANDS
    grid = np.arange(20.0, TOP_HZ)
    khz = np.interp(middle, _bark(grid), grid) / 1000
    decibels = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
    power = 10 ** ((decibels - 9) / 10)
    width = np.full(BANDS, top / BANDS)
    return tuple(torch.tensor(each, dtype=torch.float32, device=device) for each in (power, width))  # type: ignore[return-value]


def _bark(hz: float | np.ndarray) -> np.ndarray:
    """Critical-band rate (Zwicker & Terhardt 1980)."""
    hz = np.asarray(hz, np.float64)
    return np.asarray(13 * np.arctan(0.00076 * hz) + 3.5 * np.arctan((hz / 7500) ** 2))
