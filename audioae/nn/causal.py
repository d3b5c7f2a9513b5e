"""Causal convolution over time whose past the caller holds.

All streamable layers here work on ``(B, T, ..., C)``: time second, channels last, so that a pointwise convolution is one
matrix product without a copy and a shift in time is a slice.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def carry(past: Tensor, x: Tensor) -> Tensor:
    """The frames ``(B, T, ...)`` to carry on when ``x`` has come: as many as ``past`` holds, the last ones.

    They are in memory of their own, for a view would keep the whole of ``x`` alive.

    Of a step that is exported it is ``x`` itself: whoever runs the file drops as many from the front of what it holds and
    puts ``x`` behind, which need not move all the rest in memory.

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
    """``(B, T, ...)`` as many frames later as ``past`` holds, and the frames to carry on.

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


class Heard(NamedTuple):
    """The past's contribution to one frame, computed for many layers at once; see
    :mod:`audioae.denoisers.layers.shared_past`.

    Attributes:
        total: of the past frames, each times its taps, ``(B, 1, ..., C)``. Where there is a late frame, what its positions
            exchange is in it.
        late: the frame that comes out of the layer's delay; None where there is none.
    """

    total: Tensor
    late: Tensor | None


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
        self.weight = nn.Parameter(torch.empty(kernel, channels).normal_(std=kernel**-0.5))
        self.ahead = nn.Parameter(torch.zeros(ahead, channels)) if ahead else None

    def past(self, like: Tensor) -> Tensor:
        """State before the first frame of ``(B, T, ..., C)``: zeros ``(B, span, ..., C)``."""
        return like.new_zeros(like.shape[0], self.span, *like.shape[2:])

    @property
    def taps(self) -> Tensor:
        """Weights of all taps ``(K, C)``, that of the newest frame last."""
        return self.weight if self.ahead is None else torch.cat([self.weight, self.ahead])

    def forward(self, x: Tensor, past: Tensor | Heard) -> tuple[Tensor, list[Tensor], Tensor]:
        """``(B, T, ..., C)`` and the ``span`` frames before it to the same shape, the input ``delay`` frames late, in parts
        that follow one another in time, and the last ``span`` frames. Of a past that was :class:`Heard` what joins it."""
        frames, taps = x.shape[1], self.taps
        if isinstance(past, Heard):
            return torch.addcmul(past.total, x, taps[-1]), [x if past.late is None else past.late], x
        if frames > self.span and (not self.delay or len(x) == 1):
            # What follows one another need not be copied together: a tenth of the network's time on a CPU.
            parts = [part for _, part in _late(past, x, self.delay)]
            return _Taps.apply(past, x, taps, self.dilation), parts, carry(past, x)
        if frames == 1:
            # Live it is the number of operations that counts.
            y = x * taps[-1]
            for number, weight in enumerate(taps[:-1].unbind()):
                y = torch.addcmul(y, past.narrow(1, number * self.dilation, 1), weight)
            return y, [past.narrow(1, self.span - self.delay, 1) if self.delay else x], carry(past, x)
        joined = torch.cat([past, x], dim=1)
        late = [joined.narrow(1, self.span - self.delay, frames) if self.delay else x]
        y = _Taps.apply(joined.narrow(1, 0, self.span), joined.narrow(1, self.span, frames), taps, self.dilation)
        return y, late, carry(past, x)


def _late(past: Tensor, x: Tensor, back: int) -> Iterator[tuple[slice, Tensor]]:
    """``x`` so many frames later, in the one or two parts that it consists of, each with its place."""
    frames, span = x.shape[1], past.shape[1]
    early = min(back, frames)
    if early:
        yield slice(0, early), past.narrow(1, span - back, early)
    if early < frames:
        yield slice(early, frames), x.narrow(1, 0, frames - early)


class _Taps(torch.autograd.Function):
    """Sum of ``x`` at several shifts, each times its weights ``(C,)``.

    Not conv2d, whose backward for depthwise kernels takes ten times as long on a CPU; with a backward of its own, for
    autograd would make a padded copy of the gradient for every shift and add them up.
    """

    @staticmethod
    def forward(ctx: Any, past: Tensor, x: Tensor, taps: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(past, x, taps)
        ctx.dilation = dilation
        y = x * taps[-1]
        for number, weight in enumerate(reversed(taps[:-1].unbind()), 1):
            for place, part in _late(past, x, number * dilation):
                y[:, place].addcmul_(part, weight)
        return y

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
