"""A loss on intelligibility, after ESTOI. It takes ``(estimate, target)``, float waves ``(B, C, N)``, to a scalar."""

from functools import lru_cache

import torch
from torch import Tensor

from audioae.signal.fourier import rfft

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
    if target.shape[-1] < _sizes(rate)[1]:
        return (estimate * 0.0).sum()
    powers = [_power(wave.flatten(0, 1), rate) for wave in (estimate, target)]
    energy = powers[1].sum(1)
    loudest = energy.amax(1, keepdim=True)
    heard = (energy > loudest * 10 ** (-QUIETEST_DB / 10)) & (loudest >= _FLOOR)
    counts = [max(0, count - SEGMENT + 1) for count in heard.sum(1).tolist()]  # a GPU is waited for once
    if not any(counts):
        return (estimate * 0.0).sum()
    table = _third_octaves(rate).to(estimate.device)
    order = heard.int().argsort(dim=1, descending=True, stable=True)[:, None]
    a, b = (_normalised(_segments((table @ power + _FLOOR).sqrt(), order, counts)) for power in powers)
    weight = torch.tensor([1 / count for count in counts for _ in range(count)], device=a.device)
    # Divided by all examples, not by those with speech, so that processes with a share of the batch each agree.
    return ((1 - (a * b).sum((0, 1)) / SEGMENT) * weight).sum() / len(counts)


def _power(wave: Tensor, rate: int) -> Tensor:
    """``(B, N)`` to the power of its frames ``(B, F, T)``."""
    hop, size = _sizes(rate)
    spec = rfft(wave.unfold(-1, 2 * hop, hop) * torch.hann_window(2 * hop, device=wave.device), size)
    return (spec.real.square() + spec.imag.square()).transpose(1, 2)


def _segments(bands: Tensor, order: Tensor, counts: list[int]) -> Tensor:
    """Bands ``(B, K, T)``, frames in the order ``(B, 1, T)``, to so many segments of each example: ``(SEGMENT, K, S)``."""
    chosen = zip(bands.gather(2, order.expand_as(bands)).unbind(), counts, strict=True)
    parts = [of[:, : count + SEGMENT - 1].unfold(1, SEGMENT, 1).permute(2, 0, 1) for of, count in chosen if count]
    return torch.cat(parts, dim=2)


def _sizes(rate: int) -> tuple[int, int]:
    """Samples from one frame to the next, of which a frame has two, and those of its transform, a power of two."""
    hop = round(HOP_SECONDS * rate)
    return hop, 1 << (3 * hop - 1).bit_length()


def _normalised(segments: Tensor) -> Tensor:
    """``(SEGMENT, K, S)``, bands and then frames with mean zero and norm one."""
    for axis in (0, 1):
        segments = segments - segments.mean(axis, keepdim=True)
        segments = segments * (segments.square().sum(axis, keepdim=True) + _FLOOR).rsqrt()
    return segments


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _third_octaves(rate: int) -> Tensor:
    """Bins to bands: ``(K, F)`` of zeros and ones."""
    size = _sizes(rate)[1]
    hz = torch.arange(size // 2 + 1) * rate / size
    middle = LOWEST_HZ * 2 ** (torch.arange(BANDS)[:, None] / 3)
    return ((hz >= middle * 2 ** (-1 / 6)) & (hz < middle * 2 ** (1 / 6))).float()
