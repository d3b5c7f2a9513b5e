"""The residual block as one operation with a backward pass of its own, for training on a CPU.

There it is memory that a step waits for: autograd keeps, copies and fills whole batches for what is a few products. Here
one recording after the other goes through the block while it is in the processor's cache, and two arrays of it are kept.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SLOPE = 0.1
"""Of the leaky rectifier below zero."""


def fused_block(
    joined: Tensor,
    taps: Tensor,
    matrix: Tensor | None,
    expand: tuple[Tensor, Tensor],
    project: tuple[Tensor, Tensor],
    dilation: int,
    delay: int,
    dtype: torch.dtype,
) -> Tensor:
    """``late + project(rectified(expand(z)))``, where ``z`` is the convolution in time and what positions exchange.

    Args:
        joined: past and input ``(B, span + T, ..., C)``.
        taps: ``(K, C)``, that of the newest frame last.
        matrix: ``(P, P)`` of the exchange of what is late, or None.
        expand: weights ``(C, C)`` and bias ``(C,)``, a normalisation folded in.
        project: the same of the second product.
        dilation: frames between taps; ``span = (K - 1) * dilation``.
        delay: frames that the result is late by.
        dtype: of the products between channels, and of what is kept for the backward pass.

    Returns:
        ``(B, T, ..., C)``, with gradients once.
    """
    result: Tensor = _Block.apply(joined, taps, matrix, *expand, *project, dilation, delay, dtype)
    return result


class _Block(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        joined: Tensor,
        taps: Tensor,
        matrix: Tensor | None,
        expand: Tensor,
        expand_bias: Tensor,
        project: Tensor,
        project_bias: Tensor,
        dilation: int,
        delay: int,
        dtype: torch.dtype,
    ) -> Tensor:
        span = (len(taps) - 1) * dilation
        shape = (len(joined), joined.shape[1] - span, *joined.shape[2:])
        out, y = joined.new_empty(shape), joined.new_empty(shape[1:])
        mixed, hidden = (joined.new_empty(shape, dtype=dtype) for _ in range(2))
        first, second = expand.to(dtype).t(), project.to(dtype).t()
        with torch.autocast(joined.device.type, enabled=False):
            for x, result, z, h in zip(joined, out, mixed, hidden, strict=True):
                shifts = [x.narrow(0, k * dilation, shape[1]) for k in range(len(taps))]
                late = x.narrow(0, span - delay, shape[1])
                torch.mul(shifts[-1], taps[-1], out=y)
                for shift, weight in zip(shifts[:-1], taps[:-1], strict=True):
                    y.addcmul_(shift, weight)
                if matrix is not None:
                    y.baddbmm_(matrix.expand(shape[1], -1, -1), late)
                z.copy_(y)
                flat = h.flatten(0, -2)
                torch.addmm(expand_bias.to(dtype), z.flatten(0, -2), first, out=flat)
                torch.nn.functional.leaky_relu_(flat, SLOPE)
                torch.add(late, torch.addmm(project_bias.to(dtype), flat, second).view_as(late), out=result)
        ctx.save_for_backward(joined, taps, matrix, expand, project, mixed, hidden)
        ctx.numbers = span, dilation, delay, dtype
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        joined, taps, matrix, expand, project, mixed, hidden = ctx.saved_tensors
        span, dilation, delay, dtype = ctx.numbers
        frames = gradient.shape[1]
        to_joined, to_taps, to_expand, to_project = map(torch.zeros_like, (joined, taps, expand, project))
        to_matrix = None if matrix is None else torch.zeros_like(matrix)
        biases = expand.new_zeros(len(expand)), project.new_zeros(len(project))
        first, second = expand.to(dtype), project.to(dtype)
        to_z, product = (joined.new_empty(gradient.shape[1:]) for _ in range(2))
        with torch.autocast(joined.device.type, enabled=False):
            for x, to_x, g, z, h in zip(joined, to_joined, gradient, mixed, hidden, strict=True):
                flat, z, h = g.flatten(0, -2), z.flatten(0, -2), h.flatten(0, -2)
                rounded = flat.to(dtype)
                biases[1].add_(flat.sum(0))
                to_project += rounded.t() @ h
                # The sign of what the rectifier let through is that of what it was given.
                to_h = torch.ops.aten.leaky_relu_backward(rounded @ second, h, SLOPE, True)
                biases[0].add_(to_h.sum(0, dtype=expand.dtype))
                to_expand += to_h.t() @ z
                to_z.copy_((to_h @ first).view_as(to_z))
                for k, weight in enumerate(taps):
                    torch.mul(to_z, x.narrow(0, k * dilation, frames), out=product)
                    to_taps[k] += product.flatten(0, -2).sum(0)
                    to_x.narrow(0, k * dilation, frames).addcmul_(to_z, weight)
                late, to_late = (each.narrow(0, span - delay, frames) for each in (x, to_x))
                to_late.add_(g)
                if matrix is not None and to_matrix is not None:
                    to_late.baddbmm_(matrix.t().expand(frames, -1, -1), to_z)
                    to_matrix += torch.bmm(to_z, late.transpose(1, 2)).sum(0)
        return to_joined, to_taps, to_matrix, to_expand, biases[0], to_project, biases[1], None, None, None
