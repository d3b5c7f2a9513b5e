"""A loss on intelligibility, after ESTOI. It takes ``(estimate, target)``, float waves ``(B, C, N)``, to a scalar."""

from functools import lru_cache

import torch
from torch import Tensor

BANDS = 15
LOWEST_HZ = 150.0
HOP_SECONDS = 0.0128
SEGMENT = 30
"""Frames that are compared at a time, 0.384 s."""
QUIETEST_DB = 40.0
_FLOOR = 1e-8


def estoi(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """One minus the extended short-time objective intelligibility (Jensen & Taal, "An algorithm for predicting the
    intelligibility of speech masked by modulated noise maskers", 2016).

    As there, the target's frames that are 40 dB below its loudest one are left out on both sides; third octaves from 150 Hz
    to 4.3 kHz are compared in segments of 0.384 s, in which each band and then each frame is brought to mean zero and norm
    one. It runs at the waves' own rate, not at 10 kHz. Targets with less than a segment of speech do not count.

    Args:
        estimate: ``(B, C, N)``.
        target: ``(B, C, N)``.
        rate: Hz.
    """
    pairs = zip(estimate.flatten(0, 1), target.flatten(0, 1), strict=True)
    # Divided by all examples, not by those with speech, so that processes with a share of the batch each agree.
    return torch.stack([_of_one(*pair, rate) for pair in pairs]).mean()


def _of_one(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    if target.shape[-1] < _sizes(rate)[1]:
        return (estimate * 0.0).sum()
    spectra = [_power(wave, rate) for wave in (estimate, target)]
    energy = spectra[1].sum(-1)
    heard = energy > energy.amax() * 10 ** (-QUIETEST_DB / 10)
    if float(energy.amax()) < _FLOOR or int(heard.sum()) < SEGMENT:
        return (estimate * 0.0).sum()
    table = _third_octaves(rate).to(estimate.device)
    a, b = (_normalised((power[heard] @ table + _FLOOR).sqrt()) for power in spectra)
    return 1 - (a * b).sum(1).mean()


def _power(wave: Tensor, rate: int) -> Tensor:
    """``(N,)`` to the power of its frames ``(T, F)``."""
    hop, size = _sizes(rate)
    window = torch.hann_window(2 * hop, device=wave.device)
    spec = torch.stft(wave, size, hop, 2 * hop, window, center=False, return_complex=True)
    return (spec.real.square() + spec.imag.square()).T


def _sizes(rate: int) -> tuple[int, int]:
    """Samples from one frame to the next, of which a frame has two, and those of its transform, a power of two."""
    hop = round(HOP_SECONDS * rate)
    return hop, 1 << (3 * hop - 1).bit_length()


def _normalised(bands: Tensor) -> Tensor:
    """``(T, K)`` to its segments ``(S, K, SEGMENT)``, bands and then frames with mean zero and norm one."""
    segments = bands.unfold(0, SEGMENT, 1)
    for axis in (2, 1):
        segments = segments - segments.mean(axis, keepdim=True)
        segments = segments / (segments.square().sum(axis, keepdim=True) + _FLOOR).sqrt()
    return segments


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _third_octaves(rate: int) -> Tensor:
    """Bins to bands: ``(F, K)`` of zeros and ones."""
    size = _sizes(rate)[1]
    hz = torch.arange(size // 2 + 1)[:, None] * rate / size
    middle = LOWEST_HZ * 2 ** (torch.arange(BANDS) / 3)
    return ((hz >= middle * 2 ** (-1 / 6)) & (hz < middle * 2 ** (1 / 6))).float()
