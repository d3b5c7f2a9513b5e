"""Losses on waves. Every function takes ``(estimate, target)``, float waves ``(B, C, N)`` at ``rate`` Hz, to a scalar."""

import math

import torch
from torch import Tensor


def si_sdr(estimate: Tensor, target: Tensor, rate: int, ceiling: float = 30.0) -> Tensor:
    """Negative scale-invariant signal-to-distortion ratio in dB (Le Roux et al., "SDR, half-baked or well done?", 2019).

    ``ceiling`` in dB is a soft upper limit (Wisdom et al. 2020), without which nearly clean examples would dominate. Silent
    targets do not count.

    If its weight is large compared with losses that depend on the level, a bounded mask may saturate at a level above the
    target; :func:`sd_sdr` keeps the level.
    """
    return _ratio(estimate, target, ceiling, keep_scale=False)


def sd_sdr(estimate: Tensor, target: Tensor, rate: int, ceiling: float = 30.0, below: float = 0.0) -> Tensor:
    """Negative scale-dependent signal-to-distortion ratio in dB (Le Roux et al. 2019).

    Like :func:`si_sdr`, but a difference in level counts as distortion. Its optimum is the target's level for any amount of
    remaining noise, whereas the optimum of a plain signal-to-error ratio is at a lower level.

    With ``below`` only frequencies up to this one in Hz count. An upper band that is generated has the level of the target
    but not its phase, and would count as noise.
    """
    if below:
        estimate, target = (_up_to(below, wave, rate) for wave in (estimate, target))
    return _ratio(estimate, target, ceiling, keep_scale=True)


def _up_to(hz: float, wave: Tensor, rate: int) -> Tensor:
    spectrum = torch.fft.rfft(wave)
    edge = math.ceil(hz * wave.shape[-1] / rate)
    return torch.fft.irfft(torch.cat([spectrum[..., :edge], torch.zeros_like(spectrum[..., edge:])], dim=-1), wave.shape[-1])


def _ratio(estimate: Tensor, target: Tensor, ceiling: float, keep_scale: bool) -> Tensor:
    dot = (estimate * target).sum(-1, keepdim=True)
    energy = target.square().sum(-1, keepdim=True)
    projection = dot / energy.clamp_min(1e-8) * target
    signal = projection.square().sum(-1)
    noise = (estimate - (target if keep_scale else projection)).square().sum(-1)
    ratio = 10 * torch.log10((signal + 1e-8) / (noise + 10 ** (-ceiling / 10) * signal + 1e-8))
    speech = energy.squeeze(-1) > 1e-6 * target.shape[-1]
    # Divided by all examples, including those without speech, so that shares of a batch on several processes agree.
    return -(ratio * speech).mean()


def l1(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Mean absolute difference."""
    return (estimate - target).abs().mean()


def mse(estimate: Tensor, target: Tensor, rate: int) -> Tensor:
    """Mean squared difference."""
    return (estimate - target).square().mean()
