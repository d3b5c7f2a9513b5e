"""Removal of a constant offset (DC) frame by frame."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from audioae.nn.causal import carry

PARTIAL_WEIGHT = 1e-3
"""Weight of partly filled frames: small, but not 0, because there are no others at the start."""


class OffsetRemoval(nn.Module):
    """Subtracts the mean of the last frames from spectra with a square-root Hann window.

    A constant leaks into all bins of such a frame, and a mask cannot remove it completely. Its spectrum is that of the
    window, which is subtracted. The mean is taken over a finite number of frames, so that the receptive field is finite.

    Args:
        window: frames over which the offset is averaged.
        partial: number of partly filled frames at the start of a recording. Their mean is too small, so they have a small
            weight.

    >>> from audioae.signal.stft import STFT
    >>> stft, layer = STFT(16000), OffsetRemoval(64)
    >>> parts = torch.view_as_real(stft(torch.full((1, 1, 16000), 0.3))).permute(0, 1, 3, 4, 2)
    >>> offset, _ = layer(parts, layer.past(1, 1, parts))
    >>> (parts[:, :, 40, 0] - offset[:, :, 40]).abs().max() < 2  # of 98 at 0 Hz
    tensor(True)
    """

    def __init__(self, window: int, partial: int = 1) -> None:
        super().__init__()
        self.window, self.partial = window, min(partial, window - 1)

    def past(self, batch: int, channels: int, like: Tensor) -> Tensor:
        """State before the first frame: zeros ``(B, window - 1, C, 2)``, which do not count."""
        return like.new_zeros(batch, self.window - 1, channels, 2)

    def forward(self, parts: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """The offset's spectrum, which is real, and the next state.

        Args:
            parts: real and imaginary parts ``(B, C, T, 2, F)``.
            past: state: weighted mean and weight of earlier frames, ``(B, window - 1, C, 2)``.

        Returns:
            ``(B, C, T, F)`` to subtract from the real parts, and the next state.
        """
        shape = window_spectrum(parts.shape[-1]).to(parts)
        mean = (parts[..., 0, 0] / shape[0]).transpose(1, 2)  # (B, T, C)
        before = (past[..., 1] > 0).sum(1, keepdim=True)  # (B, 1, C)
        place = before + torch.arange(mean.shape[1], device=mean.device).view(1, -1, 1)
        weight = torch.where(place < self.partial, PARTIAL_WEIGHT, 1.0).to(mean)
        counted = torch.stack([mean * weight, weight], dim=-1)
        joined = torch.cat([past, counted], dim=1)
        if counted.shape[1] == 1:
            total = joined.sum(1, keepdim=True)
        else:
            total = joined.unfold(1, self.window, 1).sum(-1)
        # A small part is kept, because the rounding noise of a full difference would be amplified by compressed features.
        offset = total[..., 0] / (total[..., 1] + PARTIAL_WEIGHT)
        return offset.transpose(1, 2).unsqueeze(-1) * shape, carry(past, counted)


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # cached, and also used in training
def window_spectrum(bins: int) -> Tensor:
    """Spectrum ``(F,)`` of the window, which is real."""
    samples = 2 * (bins - 1)
    window = np.sin(np.pi * np.arange(samples) / samples)
    return torch.from_numpy(np.fft.rfft(window).real.astype(np.float32))
