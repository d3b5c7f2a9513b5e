"""The residual block that both flagship denoisers are made of."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from audioae.nn.causal import CausalDepthwise, Heard
from audioae.nn.norm import BatchNorm


class ResidualBlock(nn.Module):
    """Depthwise dilated convolution in time, exchange between positions, two pointwise convolutions, added to the input.

    After the temporal blocks of Conv-TasNet (Luo & Mesgarani 2019), with one normalisation, which folds away at inference.

    Args:
        channels: C.
        kernel: taps in time.
        dilation: frames between taps.
        positions: P places on the frequency axis that exchange by a learned P x P matrix; 0 for none, on ``(B, T, C)``.
        ahead: taps in time that look ahead; what comes out is ``delay = ahead * dilation`` frames late.
    """

    def __init__(self, channels: int, kernel: int, dilation: int, positions: int = 0, ahead: int = 0) -> None:
        super().__init__()
        self.time = CausalDepthwise(channels, kernel, dilation, ahead)
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

    def forward(self, x: Tensor, past: Tensor | Heard) -> tuple[Tensor, Tensor]:
        """``(B, T, P, C)`` or ``(B, T, C)`` and the frames before it to the same shape and the frames to carry on."""
        y, late, after = self.time(x, past)
        exchanged = isinstance(past, Heard) and past.late is not None
        matrix = self._matrix(x.shape[2]) if self.exchange is not None and not exchanged else None
        # Gradients through views that are written to cost copies, mixed precision changes types, and of one frame, as in
        # ONNX, it is the number of operations that counts.
        mixed = torch.is_autocast_enabled(x.device.type)
        if torch.is_grad_enabled() or mixed or x.shape[1] == 1:
            whole = late[0] if len(late) == 1 else torch.cat(late, dim=1)
            if matrix is not None and (mixed or x.shape[1] == 1):
                y = y + torch.matmul(matrix, whole)
            elif matrix is not None:
                flat = whole.flatten(0, 1)
                y = torch.baddbmm(y.flatten(0, 1), matrix.expand(len(flat), -1, -1), flat).view_as(y)
            y = self.project(leaky_relu(self.norm.then(self.expand, y.flatten(0, -2)), 0.1))
            return whole + y.view_as(whole), after
        if matrix is not None:
            for part, place in _places(y, late):
                flat = part.flatten(0, 1)
                place.view(-1, *y.shape[2:]).baddbmm_(matrix.expand(len(flat), -1, -1), flat)
        y = self.project(leaky_relu(self.norm.then(self.expand, y), 0.1, inplace=True))
        for part, place in _places(y, late):
            place.add_(part)
        return y, after

    def _matrix(self, present: int) -> Tensor:
        """Positions above the recording's Nyquist frequency are absent: their rows and columns are left out."""
        assert self.exchange is not None
        return self.exchange[:present, :present]


def _places(y: Tensor, parts: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Each part with its place in ``(B, T, ...)``."""
    start = 0
    for part in parts:
        yield part, y if len(parts) == 1 else y.narrow(1, start, part.shape[1])
        start += part.shape[1]
