"""From a complex spectrum to what a network reads, and from what it writes to a complex mask.

Both flagship denoisers stand between these two: compressed, level-normalised bands in, bounded complex mask out. Between
link() and the mask complex numbers are two real ones, for ONNX has no others.
"""

import math
from functools import reduce

import torch
from torch import Tensor, nn

from audioae.signal import bands

LEVEL_BINS = slice(3, 129)
"""Bins that set the level, about 100 Hz to 4 kHz: those that a recording has at every rate."""
SILENCE = 1e-8
"""Magnitudes of spectral bins are never taken as smaller; far under the rounding noise of 24-bit audio."""


def link(real: Tensor, imag: Tensor) -> tuple[Tensor, Tensor]:
    """One spectrum that stands for all channels: real and imaginary part ``(B, C, F, T)`` to those ``(B, F, T)``.

    The magnitude is the root mean square over channels, which nothing cancels in, the phase that of the sum. One mask made
    from it and laid on every channel keeps the differences of level and phase between them: the stereo image.
    """
    if real.shape[1] == 1:
        return real[:, 0], imag[:, 0]
    power, count = _power(real, imag), real.shape[1]
    if torch.compiler.is_exporting():  # where the number of channels is to stay open
        power, real, imag = power.sum(1), real.sum(1), imag.sum(1)
    else:  # one after the other: half the time of a sum over an axis that is short and far apart in memory
        power, real, imag = (reduce(torch.add, each.unbind(1)) for each in (power, real, imag))
    scale = (power / count).sqrt() / _power(real, imag).sqrt().clamp_min(SILENCE)
    return real * scale, imag * scale


def _power(real: Tensor, imag: Tensor) -> Tensor:
    # Products, for onnxruntime takes a square for a power like any other, which is ten times as slow.
    return real * real + imag * imag


def running_level(level: Tensor, past: Tensor, floor: float) -> tuple[Tensor, Tensor]:
    """Mean of the levels ``(B, T)`` over each frame and those before it, as many as ``past`` ``(B, window - 1)`` holds.

    Levels that do not exceed ``floor`` are silence and do not count; where nothing counts the mean is 1. Also returns the
    levels to carry on.
    """
    levels = torch.cat([past, torch.where(level > floor, level, 0.0)], dim=1)
    running = levels.unfold(1, past.shape[1] + 1, 1)
    count = (running > 0).sum(-1)
    mean = torch.where(count > 0, running.sum(-1) / count.clamp_min(1), 1.0)
    return mean, levels[:, level.shape[1] :]


class BandFeatures(nn.Module):
    """Power-compressed bands relative to the running level, so that a recording may be loud or quiet.

    Bins are compressed to ``|X|**power`` keeping their phase and averaged over bands (:mod:`audioae.signal.bands`), then
    divided by the mean compressed magnitude of the last ``window`` frames that are not digital silence. A finite window,
    unlike a recursive average, keeps the receptive field finite.

    Args:
        power: exponent of the compression.
        window: frames that the level is averaged over.
    """

    channels = 3
    """Per band: compressed magnitude, real part, imaginary part."""

    def __init__(self, power: float, window: int) -> None:
        super().__init__()
        self.power, self.window = power, window
        self.floor = 10 * SILENCE**power

    def past(self, like: Tensor) -> Tensor:
        """Levels of the frames before the first, ``(B, window - 1)``: zeros, which do not count."""
        return torch.zeros(like.shape[0], self.window - 1, dtype=torch.float32, device=like.device)

    def forward(self, real: Tensor, imag: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrum, two parts ``(B, F, T)``, and earlier levels to features ``(B, T, K, 3)`` and the levels to carry on."""
        # Time before frequency, as the transform lays them out in memory.
        real, imag = real.transpose(1, 2), imag.transpose(1, 2)
        squared = _power(real, imag).clamp_min(SILENCE**2)
        if torch.compiler.is_exporting():  # the same by functions that onnxruntime has vector instructions for
            magnitude = (self.power / 2 * squared.log()).exp()
        else:
            magnitude = squared ** (self.power / 2)
        gain = magnitude / squared.sqrt()
        level = magnitude[..., LEVEL_BINS].mean(-1)
        mean, past = running_level(level, past, self.floor)
        stacked = torch.stack([magnitude, real * gain, imag * gain], dim=1)  # (B, 3, T, F)
        table = bands.averages(real.shape[-1]).to(stacked)  # (F, K)
        features = torch.matmul(stacked, table).permute(0, 2, 3, 1)
        return features / mean[:, :, None, None], past


def identity_bias(bound: float) -> float:
    """The real part of the network's output that :func:`bounded_mask` turns into a mask of one."""
    return bound * math.atanh(1 / bound)


def bounded_mask(real: Tensor, imag: Tensor, bound: float, bins: int) -> tuple[Tensor, Tensor]:
    """Network outputs per band ``(B, T, K)`` to both parts of a mask per bin ``(B, F, T)`` of magnitude under ``bound``.

    The magnitude passes a hyperbolic tangent, the phase is kept (Williamson et al., "Complex ratio masking for monaural
    speech separation", 2016, bound each part instead).
    """
    real, imag = real.float(), imag.float()  # mixed precision ends here: there is no complex half
    magnitude = (_power(real, imag) + 1e-12).sqrt()
    scale = bound * torch.tanh(magnitude / bound) / magnitude
    with torch.autocast(real.device.type, enabled=False):
        table = bands.weights(bins).to(real)
        real, imag = torch.matmul(torch.stack([real * scale, imag * scale]), table.T).transpose(2, 3).unbind(0)
    return real, imag
