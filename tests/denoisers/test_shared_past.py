"""Contributions of the past that are computed together equal those of each block."""

import pytest
import torch

from audioae.denoisers.layers.residual import ResidualBlock
from audioae.denoisers.layers.shared_past import SharedPast, SingleFrameBlock

LATE = [(1, 1), (2, 2), (3, 1)]
ON_TIME = [(1, 0), (2, 0), (3, 0)]


@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize("layers", [ON_TIME, LATE, LATE[1:2]], ids=str)
@pytest.mark.parametrize(("positions", "present"), [(5, 5), (5, 3), (0, 0)])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("learned_past", [False, True])
def test_a_single_frame_gives_what_the_block_gives(
    learned_past: bool, batch: int, positions: int, present: int, layers: list[tuple[int, int]], kernel: int
) -> None:
    torch.manual_seed(0)
    blocks = [ResidualBlock(4, kernel, dilation, positions, ahead, learned_past).eval() for dilation, ahead in layers]
    for block in blocks:
        if block.time.before is not None:
            torch.nn.init.normal_(block.time.before)
        if block.time.ahead is not None:
            torch.nn.init.normal_(block.time.ahead)
    shared = SharedPast(blocks)
    frame = (batch, 1, present, 4) if positions else (batch, 1, 4)
    past = torch.randn(batch, shared.length, len(blocks), *frame[2:])
    queue = past.flatten(1, 2)
    assert shared.zeros(torch.zeros(frame)).shape == queue.shape
    for number, (block, contribution) in enumerate(zip(blocks, shared(queue), strict=True)):
        x = torch.randn(frame)
        made, joins = SingleFrameBlock(block)(x, contribution)
        expected, after = block(x, past[:, shared.length - block.time.span :, number])
        torch.testing.assert_close(made, expected)
        torch.testing.assert_close(joins, after[:, -1:])
