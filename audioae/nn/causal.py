"""Causal convolution over time, whose state is held by the caller.

All streamable layers work on ``(B, T, ..., C)``: time second, channels last, so that a pointwise convolution is one
matrix product without a copy and a shift in time is a slice.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def carry(past: Tensor, x: Tensor) -> Tensor:
    """The state ``(B, T, ...)`` after frames ``x``: the last frames, as many as ``past`` holds.

    It owns its memory, because a view would keep all of ``x`` alive.

    In an exported step it is ``x`` alone: the program that runs the file removes as many frames at the front of the state
    and appends ``x``, which need not move the rest in memory.

    >>> carry(torch.tensor([[7, 8, 9]]), torch.tensor([[1]]))
    tensor([[8, 9, 1]])
    """
    if torch.compiler.is_exporting():
        return x
    length, frames = past.shape[1], x.shape[1]
    if frames >= length:
        return x.narrow(1, frames - length, length).clone(memory_format=torch.contiguous_format)
    return torch.cat([past.narrow(1, frames, length - frames), x], dim=1)


def delay(x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """``(B, T, ...)`` delayed by as many frames as ``past`` holds, and the state after it.

    >>> delay(torch.tensor([[1, 2, 3]]), torch.tensor([[8, 9]]))
    (tensor([[8, 9, 1]]), tensor([[2, 3]]))
    """
    if torch.compiler.is_exporting():  # of one frame
        return past[:, :1], carry(past, x)
    length, frames = past.shape[1], x.shape[1]
    late = past.narrow(1, 0, frames) if frames <= length else torch.cat([past, x.narrow(1, 0, frames - length)], dim=1)
    return late, carry(past, x)


def delay_spectrum(spec: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """:func:`delay` for spectra ``(B, C, F, T)``, whose past is held as real numbers ``(B, frames, C, F, 2)``."""
    frames, past = delay(torch.view_as_real(spec).permute(0, 3, 1, 2, 4), past)
    return torch.view_as_complex(frames.contiguous()).permute(0, 2, 3, 1), past


class CausalDepthwise(nn.Module):
    """Dilated depthwise convolution over time, causal or with look-ahead.

    Args:
        channels: C.
        kernel: taps in time.
        dilation: frames between taps.
        ahead: taps in time beyond ``kernel`` that look ahead. The output is then delayed by ``delay = ahead * dilation``
            frames. They are zero before training, so that they can be added to a trained causal layer.

        before: shape of the input that is assumed before the first frame, ``(P, C)`` or ``(C,)``, which is learned; zeros by
            default. The state holds differences from it, so that every state begins with zeros.

    The receptive field is ``span + 1`` frames, ``span = (kernel - 1 + ahead) * dilation``.

    >>> layer = CausalDepthwise(4, kernel=3, dilation=2)
    >>> x = torch.randn(1, 10, 5, 4)
    >>> whole, _ = layer(x, layer.past(x))
    >>> first, past = layer(x[:, :3], layer.past(x))
    >>> second, _ = layer(x[:, 3:], past)
    >>> torch.allclose(whole, torch.cat([first, second], 1), atol=1e-6)
    True
    """

    def __init__(
        self, channels: int, kernel: int, dilation: int, ahead: int = 0, before: tuple[int, ...] | None = None
    ) -> None:
        super().__init__()
        self.dilation, self.delay = dilation, ahead * dilation
        self.span = (kernel - 1 + ahead) * dilation
        self.weight = nn.Parameter(torch.empty(kernel, channels).normal_(std=kernel**-0.5))
        self.ahead = nn.Parameter(torch.zeros(ahead, channels)) if ahead else None
        self.before = nn.Parameter(torch.zeros(before)) if before else None

    def past(self, like: Tensor) -> Tensor:
        """State before the first frame of ``(B, T, ..., C)``: zeros ``(B, span, ..., C)``."""
        return like.new_zeros(like.shape[0], self.span, *like.shape[2:])

    @property
    def taps(self) -> Tensor:
        """Weights of all taps ``(K, C)``, that of the newest frame last."""
        return self.weight if self.ahead is None else torch.cat([self.weight, self.ahead])

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, ..., C)`` and the ``span`` frames before it to the same shape, and the last ``span`` frames."""
        sum_of_taps = _Taps.apply if torch.is_grad_enabled() else _sum_of_taps
        return sum_of_taps(self.frames(past), x, self.taps, self.dilation), carry(past, self.differences(x))

    def frames(self, past: Tensor) -> Tensor:
        """The frames that a state ``(B, T, ..., C)`` stands for."""
        return past if self.before is None else past + self.assumed(past)

    def differences(self, x: Tensor) -> Tensor:
        """The last frames of ``x``, at most ``span``, as a state holds them."""
        if self.before is None:
            return x
        frames = x.shape[1]
        return x[:, max(0, frames - self.span) :] - self.assumed(x)

    def assumed(self, like: Tensor) -> Tensor:
        """The input before the first frame, of the positions that ``(B, T, ..., C)`` has."""
        assert self.before is not None
        return self.before if self.before.ndim == 1 else self.before[: like.shape[2]]

    def delayed(self, x: Tensor, past: Tensor) -> list[Tensor]:
        """The input ``delay`` frames later, in one or two parts that follow one another in time.

        Joining the parts would take a tenth of the network's time on a CPU.
        """
        return [part for _, part in _late(self.frames(past), x, self.delay)] if self.delay else [x]


def _late(past: Tensor, x: Tensor, back: int) -> Iterator[tuple[slice, Tensor]]:
    """``x`` delayed by ``back`` frames, in the one or two parts that it consists of, each with its place."""
    frames, span = x.shape[1], past.shape[1]
    early = min(back, frames)
    if early:
        yield slice(0, early), past.narrow(1, span - back, early)
    if early < frames:
        yield slice(early, frames), x.narrow(1, 0, frames - early)


def _sum_of_taps(past: Tensor, x: Tensor, taps: Tensor, dilation: int) -> Tensor:
    """Sum of ``x`` at several shifts, each times its weights ``(C,)``."""
    y = x * taps[-1]
    for number, weight in enumerate(reversed(taps[:-1].unbind()), 1):
        for place, part in _late(past, x, number * dilation):
            y[:, place].addcmul_(part, weight)
    return y


class _Taps(torch.autograd.Function):
    """:func:`_sum_of_taps` with gradients.

    conv2d is not used, because its backward pass for depthwise kernels takes ten times as long on a CPU. The backward pass
    is explicit, because autograd would make a padded copy of the gradient for every shift and add them up.
    """

    @staticmethod
    def forward(ctx: Any, past: Tensor, x: Tensor, taps: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(past, x, taps)
        ctx.dilation = dilation
        return _sum_of_taps(past, x, taps, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        past, x, taps = ctx.saved_tensors
        to_past, to_x, to_taps = torch.zeros_like(past), gradient * taps[-1], torch.zeros_like(taps)
        to_taps[-1] = (gradient * x).flatten(0, -2).sum(0)
        for number, weight in enumerate(reversed(taps[:-1].unbind()), 1):
            back = number * ctx.dilation
            for (place, part), (_, to_part) in zip(_late(past, x, back), _late(to_past, to_x, back), strict=True):
                to_part.addcmul_(gradient[:, place], weight)
                to_taps[-1 - number] += (gradient[:, place] * part).flatten(0, -2).sum(0)
        return to_past, to_x, to_taps, None
