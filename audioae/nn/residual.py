"""The residual block that both flagship denoisers are made of."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from audioae.nn.causal import CausalDepthwise
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
        self.exchange = nn.Parameter(torch.randn(positions, positions) * 0.1 / math.sqrt(positions)) if positions else None
        self.norm = BatchNorm(channels)
        self.expand = nn.Linear(channels, channels)
        self.project = nn.Linear(channels, channels)
        nn.init.zeros_(self.project.bias)

    def past(self, like: Tensor) -> Tensor:
        """What came before the first frame of ``(B, T, ...)``: zeros."""
        return self.time.past(like)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, P, C)`` or ``(B, T, C)`` and the frames before it to the same shape and the frames to carry on."""
        y, x, past = self.time(x, past)
        if self.exchange is not None:
            # Positions above the recording's Nyquist frequency are absent: their rows and columns are left out.
            present = x.shape[2]
            matrix = self.exchange[:present, :present]
            # In ONNX, of one frame, this is one operation and the other six; mixed precision changes types.
            if x.shape[1] == 1 or torch.is_autocast_enabled(x.device.type):
                y = y + torch.matmul(matrix, x)
            else:
                y.view(-1, *y.shape[2:]).baddbmm_(matrix.expand(x.shape[0] * x.shape[1], -1, -1), x.flatten(0, 1))
        y = self.project(leaky_relu(self.norm.then(self.expand, y), 0.1, inplace=True))
        return y.add_(x) if y.dtype == x.dtype else x + y, past
