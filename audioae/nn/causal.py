"""Causal convolution over time whose past the caller holds.

All streamable layers here work on ``(B, T, ..., C)``: time second, channels last, so that a pointwise convolution is one
matrix product without a copy and a shift in time is a slice.
"""

import torch
from torch import Tensor, nn


class CausalDepthwise(nn.Module):
    """Depthwise convolution over time, dilated, looking back only.

    Args:
        channels: C.
        kernel: taps in time.
        dilation: frames between taps.

    The receptive field is ``span + 1`` frames, ``span = (kernel - 1) * dilation``.

    >>> layer = CausalDepthwise(4, kernel=3, dilation=2)
    >>> x = torch.randn(1, 10, 5, 4)
    >>> whole, _ = layer(x, layer.past(x))
    >>> first, past = layer(x[:, :3], layer.past(x))
    >>> second, _ = layer(x[:, 3:], past)
    >>> torch.allclose(whole, torch.cat([first, second], 1), atol=1e-6)
    True
    """

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.span = (kernel - 1) * dilation
        self.weight = nn.Parameter(torch.randn(kernel, channels) / kernel**0.5)

    def past(self, like: Tensor) -> Tensor:
        """What came before the first frame of ``(B, T, ..., C)``: zeros ``(B, span, ..., C)``."""
        return like.new_zeros(like.shape[0], self.span, *like.shape[2:])

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, ..., C)`` and the ``span`` frames before it to the same shape and the last ``span`` frames."""
        frames = x.shape[1]
        joined = torch.cat([past, x], dim=1)
        # Views by narrow() instead of conv2d: its backward for depthwise kernels takes ten times as long on a CPU.
        y = joined.narrow(1, 0, frames) * self.weight[0]
        for tap in range(1, self.weight.shape[0]):
            y = torch.addcmul(y, joined.narrow(1, tap * self.dilation, frames), self.weight[tap])
        return y, joined.narrow(1, joined.shape[1] - self.span, self.span)
