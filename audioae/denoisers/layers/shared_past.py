"""Steps of one frame through many residual blocks, for ONNX: the contribution of their past is computed for all at once.

The time of a frame in ONNX depends on the number of operations and of tensors, not on their size. The past is known before
any block runs, so its contribution to many blocks can be computed together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from audioae.denoisers.layers.residual import ResidualBlock
from audioae.nn.causal import CausalDepthwise


class Contribution(NamedTuple):
    """Contribution of the past to the next frame of one block.

    Attributes:
        total: sum of the past frames, each times its taps, ``(B, 1, ..., C)``; of a block with look-ahead with its positions
            mixed.
        late: the frame that leaves the block's delay; None for a block without look-ahead.
    """

    total: Tensor
    late: Tensor | None


class SingleFrameBlock(nn.Module):
    """A residual block that takes one frame and the :class:`Contribution` of those before it.

    Args:
        block: the block, whose weights it uses.
    """

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, past: Contribution) -> tuple[Tensor, Tensor]:
        """``(B, 1, ..., C)`` to the same shape, and the frame to append to the past."""
        y = torch.addcmul(past.total, x, self.block.time.taps[-1])
        late, matrix = past.late, self.block.matrix(x)
        if late is None:
            late = x
            y = y if matrix is None else y + torch.matmul(matrix, x)
        return late + self.block.transform(y.flatten(0, -2)).view_as(late), self.block.time.differences(x)


class SharedPast(nn.Module):
    """A queue of past frames of several blocks: one row per frame and block, in the order of the blocks.

    Args:
        blocks: with the same channels and positions, all with look-ahead or none; spans should be similar, because the
            longest one sets the length of the queue.

    >>> blocks = [ResidualBlock(4, kernel=3, dilation=d, positions=5).eval() for d in (1, 2)]
    >>> shared, past = SharedPast(blocks), torch.randn(1, 4, 2, 5, 4)  # 4 frames, of 2 blocks, at 5 positions
    >>> x = torch.randn(1, 1, 5, 4)
    >>> made = [SingleFrameBlock(b)(x, c)[0] for b, c in zip(blocks, shared(past.flatten(1, 2)), strict=True)]
    >>> alone = [block(x, past[:, -block.time.span :, n])[0] for n, block in enumerate(blocks)]
    >>> all(torch.allclose(*each, atol=1e-6) for each in zip(made, alone, strict=True))
    True
    """

    late_rows: Tensor
    exchange: Tensor | None
    before: Tensor | None

    def __init__(self, blocks: Sequence[ResidualBlock]) -> None:
        super().__init__()
        layers = [block.time for block in blocks]
        self.count, self.length = len(layers), max(layer.span for layer in layers)

        def rows(back: Sequence[int]) -> Tensor:
            """For each block the frame that is this many frames old."""
            places = [(self.length - frames) * self.count + n for n, frames in enumerate(back)]
            return torch.tensor(places, device=layers[0].weight.device)

        def of(layer: CausalDepthwise, tap: int) -> tuple[int, Tensor]:
            """Age of the frame at a tap, and the tap's weights; zeros as weights if there is no such tap."""
            taps = layer.taps
            return (layer.span - tap * layer.dilation, taps[tap]) if tap < len(taps) - 1 else (1, torch.zeros_like(taps[0]))

        self.taps = max(len(layer.taps) for layer in layers) - 1
        with torch.no_grad():
            for tap in range(self.taps):
                back, weights = zip(*(of(layer, tap) for layer in layers), strict=True)
                self.register_buffer(f"rows_{tap}", rows(back))
                self.register_buffer(f"weights_{tap}", torch.stack(weights))
            assumed: list[Tensor] = [layer.before for layer in layers if layer.before is not None]
            self.register_buffer("before", torch.stack(assumed) if assumed else None)
            self.late = layers[0].delay > 0
            assert all((layer.delay > 0) == self.late for layer in layers)
            if self.late:
                matrices: list[Tensor] = [block.exchange for block in blocks if block.exchange is not None]
                self.register_buffer("exchange", torch.stack(matrices) if matrices else None)
                self.register_buffer("late_rows", rows([layer.delay for layer in layers]))

    def zeros(self, like: Tensor) -> Tensor:
        """State before the first frame of ``(B, T, ..., C)``: zeros ``(B, length * count, ..., C)``."""
        return like.new_zeros(like.shape[0], self.length * self.count, *like.shape[2:])

    def forward(self, past: Tensor) -> list[Contribution]:
        """The queue ``(B, length * count, ..., C)`` to its contribution to each block."""
        total: Tensor | None = None
        for tap in range(self.taps):
            part, weights = self.frames(past, f"rows_{tap}"), self.get_buffer(f"weights_{tap}")
            weights = weights.view(self.count, *[1] * (past.dim() - 3), -1)
            total = part * weights if total is None else torch.addcmul(total, part, weights)
        assert total is not None
        if not self.late:
            return [Contribution(each, None) for each in total.split(1, dim=1)]
        late = self.frames(past, "late_rows")
        if self.exchange is not None:
            present = past.shape[2]
            total = total + torch.matmul(self.exchange[:, :present, :present], late)
        return [Contribution(*each) for each in zip(total.split(1, dim=1), late.split(1, dim=1), strict=True)]

    def frames(self, past: Tensor, rows: str) -> Tensor:
        """One frame of each block from the queue, ``(B, count, ..., C)``."""
        part = past.index_select(1, self.get_buffer(rows))
        if self.before is None:
            return part
        return part + (self.before[:, : past.shape[2]] if self.before.ndim > 2 else self.before)
