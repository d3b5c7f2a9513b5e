"""Batch normalisation over the last axis, synchronised over processes and folded into linear layers at inference."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) of ``(..., C)`` over every axis but the last.

    torch's ``SyncBatchNorm`` runs on CUDA only. This layer averages the statistics over processes on any device, so that N
    processes with batch B compute the same as one process with batch N * B.

    Args:
        channels: C.
        momentum: weight of the current batch in the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, momentum: float = 0.02, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def scale_and_shift(self, x: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Scale and shift ``(C,)`` of the layer as an affine map, by the statistics of ``x`` or the running statistics."""
        if x is None:
            mean, var = self.running_mean, self.running_var
        else:
            mean, var = self._statistics(x)
        scale = self.weight * torch.rsqrt(var + self.eps)
        return scale, self.bias - mean * scale

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, var = _Moments.apply(x)
        with torch.no_grad():
            self.running_mean.lerp_(mean.detach().to(self.running_mean), self.momentum)
            self.running_var.lerp_(var.detach().to(self.running_var), self.momentum)
        return mean, var

    def forward(self, x: Tensor) -> Tensor:
        """Normalised ``(..., C)``."""
        scale, shift = self.scale_and_shift(x if self.training else None)
        return x * scale + shift

    def then(self, layer: nn.Linear, x: Tensor) -> Tensor:
        """``layer(self(x))`` as one matrix product, with the normalisation folded into the weights."""
        scale, shift = self.scale_and_shift(x if self.training else None)
        return linear(x, layer.weight * scale, layer.bias + layer.weight @ shift)

    def after(self, layer: nn.Linear, x: Tensor) -> Tensor:
        """``self(layer(x))``; at inference as one matrix product."""
        if self.training:
            return self(layer(x))
        scale, shift = self.scale_and_shift()
        return linear(x, layer.weight * scale.unsqueeze(-1), layer.bias * scale + shift)


class _Moments(torch.autograd.Function):
    """Mean and variance of ``(..., C)`` over every axis but the last and over all processes, at least in float32.

    The variance is the mean of squared deviations, because the mean of squares minus the squared mean loses precision if the
    mean is large. The backward pass reads the data once; autograd's would read it four times.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        # torch.var_mean over all axes but the last takes ten times as long on a CPU.
        axes = tuple(range(x.dim() - 1))
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = _mean_over_processes(wide.mean(axes))
        var = _mean_over_processes((wide - mean).square_().mean(axes))
        ctx.save_for_backward(x, mean)
        return mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_mean: Tensor, to_var: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        # The loss of each process depends on the statistics of all processes.
        to_mean, to_var = _mean_over_processes(torch.stack([to_mean, to_var])).unbind()
        count = x.numel() // x.shape[-1]
        slope = 2 / count * to_var
        return torch.addcmul(to_mean / count - slope * mean, x.to(mean.dtype), slope).to(x.dtype)


def _mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over all training processes, which must all call this."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return value
    total = value.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
