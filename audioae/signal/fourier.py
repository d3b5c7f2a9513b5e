"""The Fourier transform of real frames, with a backward pass of half the work."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def rfft(x: Tensor, size: int | None = None) -> Tensor:
    """``torch.fft.rfft`` over the last axis, with a gradient by an inverse transform to real numbers.

    torch's own gradient pads the spectrum with zeros for a complex transform, with twice the work and memory.

    Args:
        x: ``(..., N)``, real.
        size: length of the transform, at least N; the input is padded with zeros. N by default.

    >>> x = torch.randn(3, 8)
    >>> torch.equal(rfft(x, 16), torch.fft.rfft(x, 16))
    True
    """
    size = x.shape[-1] if size is None else size
    assert size >= x.shape[-1], "frames are padded, never truncated"
    return _Rfft.apply(x, size) if x.requires_grad and torch.is_grad_enabled() else torch.fft.rfft(x, size)


class _Rfft(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int) -> Tensor:
        ctx.samples, ctx.size = x.shape[-1], size
        return torch.fft.rfft(x, size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # The inverse transform counts every bin twice, except the first and, for even lengths, the last.
        half = gradient * 0.5
        half[..., 0] *= 2
        if ctx.size % 2 == 0:
            half[..., -1] *= 2
        return torch.fft.irfft(half, ctx.size, norm="forward")[..., : ctx.samples], None
