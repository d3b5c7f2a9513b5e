"""The past of many residual blocks in one tensor, for steps of one frame.

In ONNX it is the number of operations and of tensors that takes the time of a frame, not what they hold. What came before it
is there before any block runs, so what it amounts to can be worked out for many of them at once.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from audioae.denoisers.layers.residual import ResidualBlock
from audioae.nn.causal import CausalDepthwise, Heard


class SharedPast(nn.Module):
    """A queue of the frames that blocks hear: of each frame one row for every block, in their order.

    Args:
        blocks: of the same channels and positions, all of them late or none; best of similar span, for the longest decides
            how far back all are kept.

    >>> blocks = [ResidualBlock(4, kernel=3, dilation=d, positions=5).eval() for d in (1, 2)]
    >>> shared, past = SharedPast(blocks), torch.randn(1, 4, 2, 5, 4)  # 4 frames, of 2 blocks, at 5 positions
    >>> x = torch.randn(1, 1, 5, 4)
    >>> made = [block(x, heard)[0] for block, heard in zip(blocks, shared(past.flatten(1, 2)), strict=True)]
    >>> alone = [block(x, past[:, -block.time.span :, n])[0] for n, block in enumerate(blocks)]
    >>> all(torch.allclose(*each, atol=1e-6) for each in zip(made, alone, strict=True))
    True
    """

    late_rows: Tensor
    exchange: Tensor | None

    def __init__(self, blocks: Sequence[ResidualBlock]) -> None:
        super().__init__()
        layers = [block.time for block in blocks]
        self.count, self.length = len(layers), max(layer.span for layer in layers)

        def rows(back: Sequence[int]) -> Tensor:
            """For each block the frame that is this many frames old."""
            places = [(self.length - frames) * self.count + n for n, frames in enumerate(back)]
            return torch.tensor(places, device=layers[0].weight.device)

        def of(layer: CausalDepthwise, tap: int) -> tuple[int, Tensor]:
            """Age of the frame at a tap, and the tap's weights; any frame and zeros if there is no such tap."""
            taps = layer.taps
            return (layer.span - tap * layer.dilation, taps[tap]) if tap < len(taps) - 1 else (1, torch.zeros_like(taps[0]))

        self.taps = max(len(layer.taps) for layer in layers) - 1
        with torch.no_grad():
            for tap in range(self.taps):
                back, weights = zip(*(of(layer, tap) for layer in layers), strict=True)
                self.register_buffer(f"rows_{tap}", rows(back))
                self.register_buffer(f"weights_{tap}", torch.stack(weights))
            self.late = layers[0].delay > 0
            assert all((layer.delay > 0) == self.late for layer in layers)
            if self.late:
                matrices: list[Tensor] = [block.exchange for block in blocks if block.exchange is not None]
                self.register_buffer("exchange", torch.stack(matrices) if matrices else None)
                self.register_buffer("late_rows", rows([layer.delay for layer in layers]))

    def zeros(self, like: Tensor) -> Tensor:
        """State before the first frame of ``(B, T, ..., C)``: zeros ``(B, length * count, ..., C)``."""
        return like.new_zeros(like.shape[0], self.length * self.count, *like.shape[2:])

    def forward(self, past: Tensor) -> list[Heard]:
        """The queue ``(B, length * count, ..., C)`` to what every block takes for its past."""
        total: Tensor | None = None
        for tap in range(self.taps):
            part, weights = past.index_select(1, self.get_buffer(f"rows_{tap}")), self.get_buffer(f"weights_{tap}")
            weights = weights.view(self.count, *[1] * (past.dim() - 3), -1)
            total = part * weights if total is None else torch.addcmul(total, part, weights)
        assert total is not None
        if not self.late:
            return [Heard(each, None) for each in total.split(1, dim=1)]
        late = past.index_select(1, self.late_rows)
        if self.exchange is not None:
            present = past.shape[2]
            total = total + torch.matmul(self.exchange[:, :present, :present], late)
        return [Heard(*each) for each in zip(total.split(1, dim=1), late.split(1, dim=1), strict=True)]
