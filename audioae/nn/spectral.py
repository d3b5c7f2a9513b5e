"""From a complex spectrum to what a network reads, and from what it writes to a complex mask.

Both flagship denoisers stand between these two: compressed, level-normalised bands in, bounded complex mask out. Between
link() and the mask complex numbers are two real ones, for ONNX has no others, on an axis of their own before that of bins or
bands.
"""

import math

import torch
from torch import Tensor, nn

from audioae.nn.causal import carry
from audioae.signal.bands import BY_BINS, BandLayout

LEVEL_BINS = BY_BINS.level_bins
"""Bins that set the level, about 100 Hz to 4 kHz: those that a recording has at every rate."""
PREFERENCE = 4.0
"""Power by which another channel has to exceed the first one to become the reference of :func:`link`."""
OPPOSITE = -0.5
"""Cosine of the angle to the reference below which :func:`link` inverts a channel: at 120 degrees a sum is no louder than
one of its parts."""
SILENCE = 1e-8
"""Magnitudes of spectral bins are never taken as smaller; far under the rounding noise of 24-bit audio."""


def two_parts(spec: Tensor) -> Tensor:
    """Complex spectra ``(B, C, F, T)`` to their real and imaginary parts ``(B, C, T, 2, F)``, without a copy."""
    return torch.view_as_real(spec).permute(0, 1, 3, 4, 2)


def link(parts: Tensor) -> Tensor:
    """One spectrum that stands for all channels: real and imaginary parts ``(B, C, T, 2, F)`` to those ``(B, T, 2, F)``.

    The magnitude is the root mean square over channels, which nothing cancels in. The phase is that of the sum of the
    channels, where those that would cancel the reference are inverted. The reference of a bin is the first channel, or one
    that is much louder. One mask made from this spectrum and laid on every channel keeps the differences of level and phase
    between them: the stereo image.
    """
    # The number of channels stays open in an exported step.
    if not torch.compiler.is_exporting() and parts.shape[1] == 1:
        return parts[:, 0].contiguous()
    power = power_of(parts)  # (B, C, T, 1, F)
    most, loudest = power.max(1, keepdim=True)
    first = PREFERENCE * power[:, :1] >= most
    reference = torch.where(first, parts[:, :1], parts.gather(1, loudest.expand(-1, -1, -1, 2, -1)))
    together = (parts * reference).sum(-2, keepdim=True)
    away = together < OPPOSITE * (power * power_of(reference)).sqrt()
    joined = torch.where(away, -parts, parts).sum(1)
    return joined * (power.mean(1).sqrt() / power_of(joined).sqrt().clamp_min(SILENCE))


def power_of(parts: Tensor) -> Tensor:
    """Squared magnitudes ``(..., 1, F)`` of real and imaginary parts ``(..., 2, F)``."""
    # Products, for onnxruntime takes a square for a power like any other, which is ten times as slow.
    return (parts * parts).sum(-2, keepdim=True)


def running_level(level: Tensor, past: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Mean of the levels ``(B, T)`` over each frame and those before it, as many as ``past`` ``(B, window - 1)`` holds.

    Levels that do not exceed ``floor`` are silence and do not count; where nothing counts the mean is 1. Also returns the
    levels to carry on.
    """
    level = torch.where(level > floor, level, 0.0)
    levels, single = torch.cat([past, level], dim=1), level.shape[1] == 1
    running, heard = levels, levels.sign()
    if not single:  # else the window is all that there is
        running, heard = (each.unfold(1, past.shape[1] + 1, 1) for each in (levels, heard))
    total, count = running.sum(-1, keepdim=single), heard.sum(-1, keepdim=single)
    return torch.where(count > 0, total / count.clamp_min(1), 1.0), carry(past, level)


class BandFeatures(nn.Module):
    """Power-compressed bands relative to the running level, so that a recording may be loud or quiet.

    Bins are compressed to ``|X|**power`` keeping their phase and averaged over bands (:mod:`audioae.signal.bands`), then
    divided by the mean compressed magnitude of the last ``window`` frames that are not digital silence. A finite window,
    unlike a recursive average, keeps the receptive field finite.

    Args:
        power: exponent of the compression.
        window: frames that the level is averaged over.
        layout: the bands.
    """

    channels = 3
    """Per band: compressed magnitude, real part, imaginary part."""

    def __init__(self, power: float, window: int, layout: BandLayout) -> None:
        super().__init__()
        self.power, self.window, self.layout = power, window, layout
        self.floor = 10 * SILENCE**power

    def past(self, like: Tensor) -> Tensor:
        """Levels of the frames before the first, ``(B, window - 1)``: zeros, which do not count."""
        return torch.zeros(like.shape[0], self.window - 1, dtype=torch.float32, device=like.device)

    def forward(self, parts: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrum ``(B, T, 2, F)`` and earlier levels to features ``(B, T, K, 3)`` and the levels to carry on."""
        squared = power_of(parts).clamp_min(SILENCE**2)
        if torch.compiler.is_exporting():  # the same by functions that onnxruntime has vector instructions for
            magnitude = (self.power / 2 * squared.log()).exp()
        else:
            magnitude = squared ** (self.power / 2)
        level = magnitude[..., self.layout.level_bins].mean((2, 3))
        mean, past = running_level(level, past, self.floor)
        stacked = torch.cat([magnitude, parts * (magnitude / squared.sqrt())], dim=2)  # (B, T, 3, F)
        table = self.layout.averages(parts.shape[-1]).to(stacked)  # (F, K)
        return (torch.matmul(stacked, table) / mean[:, :, None, None]).transpose(2, 3), past


def identity_bias(bound: float) -> float:
    """The real part of the network's output that :func:`bounded_mask` turns into a mask of one."""
    return bound * math.atanh(1 / bound)


def bounded_mask(
    parts: Tensor, bound: float, bins: int, layout: BandLayout, exponent: float = 1.0, knee: float = 1.0
) -> Tensor:
    """Network outputs per band ``(B, T, 2, K)`` to a mask per bin ``(B, T, 2, F)`` of magnitude under ``bound``.

    The magnitude passes a hyperbolic tangent, the phase is kept (Williamson et al., "Complex ratio masking for monaural
    speech separation", 2016, bound each part instead).

    Args:
        parts: real and imaginary.
        bound: largest magnitude.
        bins: F.
        layout: the bands.
        exponent: power to which magnitudes above ``knee`` are raised; those below keep their ratio to the knee's.
        knee: magnitude.
    """
    parts = parts.float()  # mixed precision ends here: there is no complex half
    relative = (power_of(parts) + 1e-12).sqrt() / bound
    bounded = torch.tanh(relative)
    scale = bounded / relative
    if exponent != 1:
        # Products and logarithms, as in the features.
        scale = scale * ((exponent - 1) * (bound * bounded).clamp_min(knee).log()).exp()
    with torch.autocast(parts.device.type, enabled=False):
        return torch.matmul(parts * scale, layout.weights(bins).to(parts).T)
