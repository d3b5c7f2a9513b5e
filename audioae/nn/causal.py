"""Causal convolution over time whose past the caller holds.

All streamable layers here work on ``(B, T, ..., C)``: time second, channels last, so that a pointwise convolution is one
matrix product without a copy and a shift in time is a slice.
"""

import torch
from torch import Tensor, nn


def delay(x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """``(B, T, ...)`` as many frames later as ``past`` holds, and the frames to carry on.

    >>> delay(torch.tensor([[1, 2, 3]]), torch.tensor([[8, 9]]))
    (tensor([[8, 9, 1]]), tensor([[2, 3]]))
    """
    joined = torch.cat([past, x], dim=1)
    return joined[:, : x.shape[1]], joined[:, x.shape[1] :]


def delay_spectrum(spec: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`delay` for spectra ``(B, C, F, T)``, whose past is held as real numbers ``(B, frames, C, F, 2)``."""
    frames, past = delay(torch.view_as_real(spec).permute(0, 3, 1, 2, 4), past)
    return torch.view_as_complex(frames.contiguous()).permute(0, 2, 3, 1), past


class CausalDepthwise(nn.Module):
    """Depthwise convolution over time, dilated, that looks back and, by coming late, ahead.

    Args:
        channels: C.
        kernel: taps in time.
        dilation: frames between taps.
        ahead: taps in time beyond ``kernel`` that look ahead. What comes out is then ``delay = ahead * dilation`` frames
            late. They are zero before training, so that a causal layer can grow by them.

    The receptive field is ``span + 1`` frames, ``span = (kernel - 1 + ahead) * dilation``.

    >>> layer = CausalDepthwise(4, kernel=3, dilation=2)
    >>> x = torch.randn(1, 10, 5, 4)
    >>> whole, _, _ = layer(x, layer.past(x))
    >>> first, _, past = layer(x[:, :3], layer.past(x))
    >>> second, _, _ = layer(x[:, 3:], past)
    >>> torch.allclose(whole, torch.cat([first, second], 1), atol=1e-6)
    True
    """

    def __init__(self, channels: int, kernel: int, dilation: int, ahead: int = 0) -> None:
        super().__init__()
        self.dilation, self.delay = dilation, ahead * dilation
        self.span = (kernel - 1 + ahead) * dilation
        self.weight = nn.Parameter(torch.randn(kernel, channels) / kernel**0.5)
        self.ahead = nn.Parameter(torch.zeros(ahead, channels)) if ahead else None

    def past(self, like: Tensor) -> Tensor:
        """What came before the first frame of ``(B, T, ..., C)``: zeros ``(B, span, ..., C)``."""
        return like.new_zeros(like.shape[0], self.span, *like.shape[2:])

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, T, ..., C)`` and the ``span`` frames before it to the same shape, the input ``delay`` frames late, and the
        last ``span`` frames."""
        frames = x.shape[1]
        joined = torch.cat([past, x], dim=1)
        late = joined.narrow(1, self.span - self.delay, frames) if self.delay else x
        rest = late, joined.narrow(1, joined.shape[1] - self.span, self.span)
        if frames == 1:
            # Live, and in ONNX, it is the number of operations that counts.
            taps = self.weight if self.ahead is None else torch.cat([self.weight, self.ahead])
            taps = taps.view(-1, *[1] * (x.dim() - 3), taps.shape[1])
            return (joined[:, :: self.dilation] * taps).sum(1, keepdim=True), *rest
        # Views by narrow() instead of conv2d: its backward for depthwise kernels takes ten times as long on a CPU.
        y = joined.narrow(1, 0, frames) * self.weight[0]
        later = [*self.weight[1:], *(() if self.ahead is None else self.ahead)]
        for tap, weight in enumerate(later, 1):
            y.addcmul_(joined.narrow(1, tap * self.dilation, frames), weight)
        return y, *rest
