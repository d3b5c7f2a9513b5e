"""The depthwise convolution against torch's own, forward and backward, whole and in chunks."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from audioae.denoisers.layers.residual import ResidualBlock
from audioae.nn.causal import CausalDepthwise

SHAPES = [(1, 20, 5, 4), (3, 20, 5, 4), (3, 20, 4), (1, 3, 5, 4), (2, 1, 5, 4)]


def layer_of(ahead: int) -> CausalDepthwise:
    torch.manual_seed(0)
    layer = CausalDepthwise(4, kernel=3, dilation=2, ahead=ahead).double()
    if layer.ahead is not None:
        torch.nn.init.normal_(layer.ahead)
    return layer


def torchs_own(layer: CausalDepthwise, x: Tensor, past: Tensor) -> Tensor:
    """The same by conv1d, with one series per position and channel."""
    taps = layer.weight if layer.ahead is None else torch.cat([layer.weight, layer.ahead])
    series = torch.cat([past, x], 1).movedim(1, -1)  # (B, ..., C, span + T)
    flat = series.reshape(-1, x.shape[-1], series.shape[-1])
    y = conv1d(flat, taps.T.unsqueeze(1), dilation=layer.dilation, groups=x.shape[-1])
    return y.reshape(*series.shape[:-1], -1).movedim(-1, 1)


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_convolution_of_torch_with_its_gradients(shape: tuple[int, ...], ahead: int) -> None:
    layer = layer_of(ahead)
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    past = torch.randn_like(layer.past(x)).requires_grad_(True)
    y, _ = layer(x, past)
    expected = torchs_own(layer, x, past)
    torch.testing.assert_close(y, expected)
    delayed = torch.cat([past, x], 1)[:, layer.span - layer.delay :][:, : shape[1]]
    torch.testing.assert_close(torch.cat(layer.delayed(x, past), 1), delayed)
    weights = torch.randn_like(y)
    wanted = [x, past, *layer.parameters()]
    for mine, theirs in zip(*(torch.autograd.grad((out * weights).sum(), wanted) for out in (y, expected)), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("positions", [0, 5])
@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("learned_past", [False, True])
def test_a_block_does_the_same_with_and_without_gradients_whole_and_in_chunks(
    learned_past: bool, batch: int, ahead: int, positions: int
) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(4, kernel=3, dilation=2, positions=positions, ahead=ahead, learned_past=learned_past).eval()
    if block.time.before is not None:
        torch.nn.init.normal_(block.time.before)
    if block.time.ahead is not None:
        torch.nn.init.normal_(block.time.ahead)
    x = torch.randn(batch, 40, *([positions] if positions else []), 4)
    whole, after = block(x, block.past(x))
    with torch.inference_mode():
        made, past = [], block.past(x)
        for chunk in x.split([1, 12, 3, 1, 23], dim=1):
            before = chunk.clone()
            y, past = block(chunk, past)
            made.append(y)
            assert torch.equal(chunk, before), "what comes in is not written to"
        torch.testing.assert_close(torch.cat(made, 1), whole.detach())
        torch.testing.assert_close(past, after.detach())
        frames = pad(x, (0,) * (2 * x.dim() - 4) + (9, 0))[:, -block.time.span :]
        torch.testing.assert_close(after, frames if block.time.before is None else frames - block.time.before)


@pytest.mark.parametrize("ahead", [0, 1])
@pytest.mark.parametrize(("positions", "present"), [(5, 5), (5, 3), (0, 0)])
def test_a_learned_past_is_that_of_frames_which_came_before(positions: int, present: int, ahead: int) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(4, kernel=3, dilation=2, positions=positions, ahead=ahead, learned_past=True).eval()
    x = torch.randn(2, 12, *([present] if positions else []), 4, requires_grad=True)
    assert block.time.before is not None
    torch.nn.init.normal_(block.time.before)
    lead = (block.time.before[:present] if positions else block.time.before).expand(2, block.time.span, *x.shape[2:])
    plain = ResidualBlock(4, kernel=3, dilation=2, positions=positions, ahead=ahead).eval()
    plain.load_state_dict({name: value for name, value in block.state_dict().items() if name != "time.before"})
    expected = plain(torch.cat([lead, x], dim=1), plain.past(x))[0][:, block.time.span :]
    made = block(x, block.past(x))[0]
    torch.testing.assert_close(made, expected)
    weights = torch.randn_like(made)
    for mine, theirs in zip(
        *(torch.autograd.grad((out * weights).sum(), [x, block.time.before]) for out in (made, expected)), strict=True
    ):
        torch.testing.assert_close(mine, theirs)
