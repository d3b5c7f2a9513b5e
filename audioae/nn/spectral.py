"""Input features and output masks of denoisers: compressed, level-normalised bands in, bounded complex mask out.

Complex numbers are stored as real and imaginary parts, on an axis before that of bins or bands, because ONNX has no complex
numbers.
"""

import math

import torch
from torch import Tensor, nn

from audioae.nn.causal import carry
from audioae.signal.bands import BY_BINS, BandLayout

LEVEL_BINS = BY_BINS.level_bins
"""Bins that determine the level, about 100 Hz to 4 kHz, which exist at every rate."""
PREFERENCE = 4.0
"""Ratio of powers above which another channel replaces the first as the reference of :func:`link`."""
OPPOSITE = -0.5
"""Cosine of the angle to the reference below which :func:`link` inverts a channel: at 120 degrees a sum is not louder
than one of its parts."""
SILENCE = 1e-8
"""Lower limit of magnitudes of spectral bins, far below the rounding noise of 24-bit audio."""


def two_parts(spec: Tensor) -> Tensor:
    """Complex spectra ``(B, C, F, T)`` to their real and imaginary parts ``(B, C, T, 2, F)``, without a copy."""
    return torch.view_as_real(spec).permute(0, 1, 3, 4, 2)


def link(parts: Tensor) -> Tensor:
    """Combine all channels into one spectrum: real and imaginary parts ``(B, C, T, 2, F)`` to ``(B, T, 2, F)``.

    The magnitude is the root mean square over channels, so that channels do not cancel each other. The phase is that of the
    sum of the channels, in which channels opposite to the reference are inverted. The reference of a bin is the first
    channel, or a much louder one. One mask computed from this spectrum and applied to every channel keeps their differences
    of level and phase: the stereo image.
    """
    # In an exported step the number of channels is dynamic, unless the step is for mono.
    if isinstance(parts.shape[1], int) and parts.shape[1] == 1:
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
    # A product, because onnxruntime computes a square as a general power, which is ten times slower.
    return (parts * parts).sum(-2, keepdim=True)


def running_level(level: Tensor, past: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Running mean of the levels ``(B, T)`` over each frame and those before it; ``past`` is ``(B, window - 1)``.

    Levels up to ``floor`` are silence and do not count; if no frame counts, the mean is 1. Also returns the next ``past``.
    """
    level = torch.where(level > floor, level, 0.0)
    levels, single = torch.cat([past, level], dim=1), level.shape[1] == 1
    running, active = levels, levels.sign()
    if not single:  # for a single frame, the window is all of it
        running, active = (each.unfold(1, past.shape[1] + 1, 1) for each in (levels, active))
    total, count = running.sum(-1, keepdim=single), active.sum(-1, keepdim=single)
    return torch.where(count > 0, total / count.clamp_min(1), 1.0), carry(past, level)


class BandFeatures(nn.Module):
    """Power-compressed bands relative to the running level, and thus independent of the recording's level.

    Bins are compressed to ``|X|**power`` with their phase and averaged over bands (:mod:`audioae.signal.bands`), then
    divided by the mean compressed magnitude of the last ``window`` frames that are not digital silence. The window is
    finite, unlike that of a recursive average, and so is the receptive field.

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
        """State before the first frame: levels ``(B, window - 1)`` of zero, which do not count."""
        return torch.zeros(like.shape[0], self.window - 1, dtype=torch.float32, device=like.device)

    def forward(self, parts: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrum ``(B, T, 2, F)`` and the state to features ``(B, T, K, 3)`` and the next state."""
        squared = power_of(parts).clamp_min(SILENCE**2)
        if torch.compiler.is_exporting():  # the same by functions that onnxruntime vectorises
            magnitude = (self.power / 2 * squared.log()).exp()
        else:
            magnitude = squared ** (self.power / 2)
        level = magnitude[..., self.layout.level_bins].mean((2, 3))
        mean, past = running_level(level, past, self.floor)
        stacked = torch.cat([magnitude, parts * (magnitude / squared.sqrt())], dim=2)  # (B, T, 3, F)
        table = self.layout.averages(parts.shape[-1]).to(stacked)  # (F, K)
        return (torch.matmul(stacked, table) / mean[:, :, None, None]).transpose(2, 3), past


def identity_bias(bound: float) -> float:
    """The real part of a network output for which :func:`bounded_mask` is one."""
    return bound * math.atanh(1 / bound)


def bounded_mask(
    parts: Tensor, bound: float, bins: int, layout: BandLayout, exponent: float = 1.0, knee: float = 1.0
) -> Tensor:
    """Network outputs per band ``(B, T, 2, K)`` to a mask per bin ``(B, T, 2, F)`` of magnitude under ``bound``.

    The magnitude is bounded by a hyperbolic tangent, the phase is kept (Williamson et al., "Complex ratio masking for
    monaural speech separation", 2016, bound each part instead).

    Args:
        parts: real and imaginary.
        bound: largest magnitude.
        bins: F.
        layout: the bands.
        exponent: exponent of magnitudes above ``knee``; below, magnitudes are scaled by a constant.
        knee: see ``exponent``.
    """
    parts = parts.float()  # mixed precision ends here, because there are no complex half-precision numbers
    relative = (power_of(parts) + 1e-12).sqrt() / bound
    bounded = torch.tanh(relative)
    scale = bounded / relative
    if exponent != 1:
        # Products and logarithms, as in the features.
        scale = scale * ((exponent - 1) * (bound * bounded).clamp_min(knee).log()).exp()
    with torch.autocast(parts.device.type, enabled=False):
        return torch.matmul(parts * scale, layout.weights(bins).to(parts).T)
