"""Batch normalisation over the last axis, with statistics shared by all processes and folded away at inference."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.distributed.nn.functional import all_reduce
from torch.nn.functional import linear


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) of ``(..., C)`` over every axis but the last.

    torch's own ``SyncBatchNorm`` runs on CUDA only; this one averages the statistics over processes on any device, so
    that N processes with batch B compute what one process with batch N * B does.

    Args:
        channels: C.
        momentum: weight of the newest batch in the running statistics.
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
        """``(C,)`` twice: the affine map that this layer is, by the statistics of ``x`` or by the running ones."""
        if x is None:
            mean, var = self.running_mean, self.running_var
        else:
            mean, var = self._statistics(x)
        scale = self.weight * torch.rsqrt(var + self.eps)
        return scale, self.bias - mean * scale

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        axes = tuple(range(x.dim() - 1))
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            moments = torch.stack([x.mean(axes), x.square().mean(axes)])
            moments = all_reduce(moments) / dist.get_world_size()
            mean, var = moments[0], moments[1] - moments[0].square()
        else:
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
        """``layer(self(x))`` as one product, the normalisation folded into the layer's weights."""
        scale, shift = self.scale_and_shift(x if self.training else None)
        return linear(x, layer.weight * scale, layer.bias + layer.weight @ shift)

    def after(self, layer: nn.Linear, x: Tensor) -> Tensor:
        """``self(layer(x))``; at inference as one product."""
        if self.training:
            return self(layer(x))
        scale, shift = self.scale_and_shift()
        return linear(x, layer.weight * scale.unsqueeze(-1), layer.bias * scale + shift)


class _Moments(torch.autograd.Function):
    """Mean and variance of ``(..., C)`` over every axis but the last; its backward is one pass, autograd's four."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        # torch.var_mean over all axes but the last takes ten times as long on a CPU.
        axes = tuple(range(x.dim() - 1))
        mean = x.mean(axes)
        var = (x - mean).square_().mean(axes)
        ctx.save_for_backward(x, mean)
        return mean, var

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_mean: Tensor, to_var: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        count = x.numel() // x.shape[-1]
        slope = 2 / count * to_var
        return torch.addcmul(to_mean / count - slope * mean, x, slope)
