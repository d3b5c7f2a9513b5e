"""The spectrogram codec: log-magnitude spectrograms as images in [-1, 1], and back to magnitudes."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from audioae.nn.spectral import LEVEL_BINS, SILENCE
from audioae.signal.framing import hop_length

QUIETEST, LOUDEST = -45.0, 30.0
"""Levels in dB, relative to the recording, of the image values -1 and 1."""


class SpectrogramImage(nn.Module):
    """Spectra to images of K rows and P columns, and back.

    K is the number of bins without the highest one: 128 at 8 kHz. Images are relative to the level of the recording, which
    is not part of the image; the typical level of the training data is stored.

    Args:
        rate: Hz.
        frames: P, 16 ms each.

    Attributes:
        bins: K.
        typical: level of generated sounds.

    >>> image = SpectrogramImage(8000, 64)
    >>> image(torch.randn(2, 129, 60, dtype=torch.cfloat)).shape
    torch.Size([2, 1, 128, 64])
    """

    typical: Tensor

    def __init__(self, rate: int, frames: int) -> None:
        super().__init__()
        self.bins, self.frames = hop_length(rate), frames
        self.register_buffer("typical", torch.tensor(1.2e-3 * self.bins))

    def level(self, spec: Tensor) -> Tensor:
        """Mean magnitude ``(B,)`` of spectra ``(B, F, T)`` over frames that are not silent."""
        levels = spec.abs()[:, : self.bins][:, LEVEL_BINS].mean(1)
        return levels.sum(1) / (levels > SILENCE).sum(1).clamp_min(1)

    def forward(self, spec: Tensor) -> Tensor:
        """Spectra ``(B, F, T)`` to images ``(B, 1, K, P)``: their first P frames, padded with silence."""
        spec = pad(spec, (0, max(0, self.frames - spec.shape[2])))[:, : self.bins, : self.frames]
        relative = spec.abs() / self.level(spec).clamp_min(SILENCE)[:, None, None]
        decibels = 20 * torch.log10(relative.clamp_min(1e-8))
        return self._scaled(decibels).clamp(-1, 1).unsqueeze(1)

    def magnitude(self, images: Tensor, level: Tensor | None = None) -> Tensor:
        """Images ``(B, 1, K, P)`` to magnitudes ``(B, F, P)`` at levels ``(B,)``, or at the typical level.

        The smallest image value becomes silence.
        """
        image = images[:, 0].clamp(-1, 1)
        decibels = QUIETEST + (image + 1) * (0.5 * (LOUDEST - QUIETEST))
        relative = torch.where(image > -1, 10 ** (decibels / 20), 0.0)
        level = self.typical.expand(len(images)) if level is None else level
        return pad(relative * level[:, None, None], (0, 0, 0, 1))

    @torch.no_grad()
    def fit(self, levels: Tensor) -> None:
        """Set the typical level to the geometric mean of levels ``(M,)`` of the training data."""
        self.typical.copy_(levels.clamp_min(SILENCE).log().mean().exp())

    @staticmethod
    def _scaled(decibels: Tensor) -> Tensor:
        return (decibels - QUIETEST) * (2 / (LOUDEST - QUIETEST)) - 1
