"""The Fourier transform of real frames, with a backward pass of half the work."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def rfft(x: Tensor, size: int | None = None) -> Tensor:
    """``torch.fft.rfft`` over the last axis, of which it takes the gradient by a transform to real numbers.

    torch fills the spectrum up with zeros and transforms that as complex numbers, twice the work and the memory.

    Args:
        x: ``(..., N)``, real.
        size: length of the transform, of which N is padded with zeros; N without.

    >>> x = torch.randn(3, 8)
    >>> torch.equal(rfft(x, 16), torch.fft.rfft(x, 16))
    True
    """
    size = x.shape[-1] if size is None else size
    assert size >= x.shape[-1], "frames are padded, never cut"
    return _Rfft.apply(x, size) if x.requires_grad and torch.is_grad_enabled() else torch.fft.rfft(x, size)


class _Rfft(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int) -> Tensor:
        ctx.samples, ctx.size = x.shape[-1], size
        return torch.fft.rfft(x, size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # The inverse counts every bin twice but the first and, where the length is even, the last.
        half = gradient * 0.5
        half[..., 0] *= 2
        if ctx.size % 2 == 0:
            half[..., -1] *= 2
        return torch.fft.irfft(half, ctx.size, norm="forward")[..., : ctx.samples], None
