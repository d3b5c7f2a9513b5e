"""Losses on intelligibility. Every function takes ``(estimate, target)``, float waves ``(B, C, N)``, to a scalar."""

from functools import lru_cache

import torch
from torch import Tensor

from audioae.signal.fourier import rfft

BANDS = 15
LOWEST_HZ = 150.0
HOP_SECONDS = 0.0128
SEGMENT = 30
"""Frames per segment, 0.384 s."""
QUIETEST_DB = 40.0
_FLOOR = 1e-8


def estoi(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """One minus the extended short-time objective intelligibility (Jensen & Taal, "An algorithm for predicting the
    intelligibility of speech masked by modulated noise maskers", 2016).

    Frames in which the target is 40 dB below its loudest frame are left out. Third octaves from 150 Hz to 4.3 kHz are
    compared in segments of 0.384 s, in which bands and then frames are normalised to mean zero and norm one. It is computed
    at the waves' own rate, not at 10 kHz. Targets with less than one segment of speech do not count.

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
    active = (energy > loudest * 10 ** (-QUIETEST_DB / 10)) & (loudest >= _FLOOR)
    counts = [max(0, count - SEGMENT + 1) for count in active.sum(1).tolist()]  # synchronises with a GPU once
    if not any(counts):
        return (estimate * 0.0).sum()
    table = _third_octaves(rate).to(estimate.device)
    order = active.int().argsort(dim=1, descending=True, stable=True)[:, None]
    a, b = (_normalised(_segments((table @ power + _FLOOR).sqrt(), order, counts)) for power in powers)
    weight = torch.tensor([1 / count for count in counts for _ in range(count)], device=a.device)
    # Divided by all examples, including those without speech, so that shares of a batch on several processes agree.
    return ((1 - (a * b).sum((0, 1)) / SEGMENT) * weight).sum() / len(counts)


def _power(wave: Tensor, rate: int) -> Tensor:
    """``(B, N)`` to the power of its frames ``(B, F, T)``."""
    hop, size = _sizes(rate)
    spec = rfft(wave.unfold(-1, 2 * hop, hop) * torch.hann_window(2 * hop, device=wave.device), size)
    return (spec.real.square() + spec.imag.square()).transpose(1, 2)


def _segments(bands: Tensor, order: Tensor, counts: list[int]) -> Tensor:
    """Bands ``(B, K, T)`` to segments ``(SEGMENT, K, S)``, ``counts`` per example, of frames in ``order`` ``(B, 1, T)``."""
    chosen = zip(bands.gather(2, order.expand_as(bands)).unbind(), counts, strict=True)
    parts = [of[:, : count + SEGMENT - 1].unfold(1, SEGMENT, 1).permute(2, 0, 1) for of, count in chosen if count]
    return torch.cat(parts, dim=2)


def _sizes(rate: int) -> tuple[int, int]:
    """Hop in samples, half a frame, and the length of the transform, a power of two."""
    hop = round(HOP_SECONDS * rate)
    return hop, 1 << (3 * hop - 1).bit_length()


def _normalised(segments: Tensor) -> Tensor:
    """``(SEGMENT, K, S)``, with bands and then frames normalised to mean zero and norm one."""
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


def attenuated_start(estimate: Tensor, target: Tensor, rate: int, seconds: float = 0.5) -> Tensor:
    """Mean attenuation of the speech with which an example begins, 0 (kept) to 1 and more (lost or inverted).

    The first ``seconds`` are divided into blocks of 50 ms. The gain of a block is the projection of the estimate onto the
    target. Only gains below 1 count, and only blocks whose level is at most 30 dB below the example's. A model knows least
    at the start, and in other losses the rest of the example outweighs the start. Like the over-suppression loss of Eskimez
    et al., "Human Listening and Live Captioning", 2021, it is asymmetric.
    """
    size = max(1, round(0.05 * rate))
    blocks = min(round(seconds * rate), target.shape[-1]) // size
    if blocks == 0:
        return estimate.new_zeros(())
    estimates, targets = (wave[..., : blocks * size].unflatten(-1, (blocks, size)) for wave in (estimate, target))
    energy = targets.square().mean(-1)
    gain = (estimates * targets).mean(-1) / energy.clamp_min(1e-8)
    speech = (energy > 0.001 * target.square().mean(-1, keepdim=True)) & (energy > 1e-6)
    # Divided by all blocks, so that shares of a batch on several processes agree.
    return ((1 - gain).clamp_min(0) * speech).mean()
