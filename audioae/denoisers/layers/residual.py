"""The residual block of the convolutional denoisers."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from audioae.nn.causal import CausalDepthwise
from audioae.nn.norm import BatchNorm


class ResidualBlock(nn.Module):
    """Depthwise dilated convolution in time, mixing of positions, two pointwise convolutions, and a residual connection.

    After the temporal blocks of Conv-TasNet (Luo & Mesgarani 2019), with one normalisation, which is folded into the next
    layer at inference.

    Args:
        channels: C.
        kernel: taps in time.
        dilation: frames between taps.
        positions: P, positions on the frequency axis, which are mixed by a learned P x P matrix; 0 for ``(B, T, C)``.
        ahead: taps in time that look ahead; the output is delayed by ``delay = ahead * dilation`` frames.
        learned_past: learn the input that is assumed before the first frame.
    """

    def __init__(
        self, channels: int, kernel: int, dilation: int, positions: int = 0, ahead: int = 0, learned_past: bool = False
    ) -> None:
        super().__init__()
        before = ((positions, channels) if positions else (channels,)) if learned_past else None
        self.time = CausalDepthwise(channels, kernel, dilation, ahead, before)
        self.delay = self.time.delay
        self.exchange = (
            nn.Parameter(torch.empty(positions, positions).normal_(std=0.1 / math.sqrt(positions))) if positions else None
        )
        self.norm = BatchNorm(channels)
        self.expand = nn.Linear(channels, channels)
        self.project = nn.Linear(channels, channels)
        nn.init.zeros_(self.project.bias)

    def past(self, like: Tensor) -> Tensor:
        """State before the first frame of ``(B, T, ...)``: zeros."""
        return self.time.past(like)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, P, C)`` or ``(B, T, C)`` and the state before it to the same shape and the state after it."""
        y, after = self.time(x, past)
        parts, matrix = self.time.delayed(x, past), self.matrix(x)
        mixed = torch.is_autocast_enabled(x.device.type)
        in_place = not (torch.is_grad_enabled() or mixed)
        if len(parts) > 1 and (len(x) > 1 or not in_place):
            parts = [torch.cat(parts, dim=1)]
        if not in_place:  # gradients through views that are written to cost copies, and mixed precision changes types
            (whole,) = parts
            if matrix is not None and mixed:
                y = y + torch.matmul(matrix, whole)
            elif matrix is not None:
                flat = whole.flatten(0, 1)
                y = torch.baddbmm(y.flatten(0, 1), matrix.expand(len(flat), -1, -1), flat).view_as(y)
            return whole + self.transform(y.flatten(0, -2)).view_as(whole), after
        if matrix is not None:
            for part, place in _places(y, parts):
                flat = part.flatten(0, 1)
                place.view(-1, *y.shape[2:]).baddbmm_(matrix.expand(len(flat), -1, -1), flat)
        y = self.transform(y, in_place=True)
        for part, place in _places(y, parts):
            place.add_(part)
        return y, after

    def transform(self, y: Tensor, in_place: bool = False) -> Tensor:
        """Normalisation and the two pointwise convolutions, on ``(..., C)``."""
        return self.project(leaky_relu(self.norm.then(self.expand, y), 0.1, inplace=in_place))

    def matrix(self, x: Tensor) -> Tensor | None:
        """The exchange between the positions of ``(B, T, P, C)``. Those above the Nyquist frequency are absent."""
        present = x.shape[2]
        return None if self.exchange is None else self.exchange[:present, :present]


def _places(y: Tensor, parts: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Each part with its place in ``(B, T, ...)``."""
    start = 0
    for part in parts:
        yield part, y if len(parts) == 1 else y.narrow(1, start, part.shape[1])
        start += part.shape[1]
