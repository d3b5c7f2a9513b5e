"""The fused residual block against the same written out with torch's own layers, forward and backward."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv1d, leaky_relu

from audioae.nn.residual import ResidualBlock


def block_of(positions: int, ahead: int) -> ResidualBlock:
    torch.manual_seed(0)
    block = ResidualBlock(4, kernel=3, dilation=2, positions=positions, ahead=ahead).double().eval()
    for value in [*block.parameters(), block.norm.running_mean]:
        torch.nn.init.normal_(value)
    torch.nn.init.uniform_(block.norm.running_var, 0.5, 2)
    return block


def written_out(block: ResidualBlock, x: Tensor, past: Tensor) -> Tensor:
    joined, frames = torch.cat([past, x], 1), x.shape[1]
    late = joined[:, block.time.span - block.delay :][:, :frames]
    series = joined.movedim(1, -1)
    flat = series.reshape(-1, x.shape[-1], series.shape[-1])
    y = conv1d(flat, block.time.taps.T.unsqueeze(1), dilation=block.time.dilation, groups=x.shape[-1])
    y = y.reshape(*series.shape[:-1], frames).movedim(-1, 1)
    if block.exchange is not None:
        y = y + torch.einsum("pq,btqc->btpc", block.exchange[: x.shape[2], : x.shape[2]], late)
    norm = block.norm
    y = (y - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    return late + block.project(leaky_relu(block.expand(y), 0.1))


@pytest.mark.parametrize(("positions", "present"), [(0, 0), (5, 5), (5, 3)])
@pytest.mark.parametrize("ahead", [0, 1])
def test_it_is_the_block_with_its_gradients(positions: int, present: int, ahead: int) -> None:
    block = block_of(positions, ahead)
    x = torch.randn(3, 20, *([present] if present else []), 4, dtype=torch.float64, requires_grad=True)
    past = torch.randn_like(block.past(x)).requires_grad_(True)
    made, expected = block(x, past)[0], written_out(block, x, past)
    torch.testing.assert_close(made, expected)
    weights = torch.randn_like(made)
    wanted = [x, past, *block.parameters()]
    for mine, theirs in zip(*(torch.autograd.grad((y * weights).sum(), wanted) for y in (made, expected)), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_in_mixed_precision_it_is_the_same_to_rounding() -> None:
    block = block_of(5, 1).float()
    x = torch.randn(2, 20, 5, 4, requires_grad=True)
    wanted, grads = [x, *block.parameters()], []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            y, _ = block(x, block.past(x))
        assert y.dtype == torch.float32
        grads.append(torch.cat([g.flatten() for g in torch.autograd.grad(y.sum(), wanted)]))
    assert 0 < (grads[0] - grads[1]).norm() < 0.02 * grads[0].norm()
