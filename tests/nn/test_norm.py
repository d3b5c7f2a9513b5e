"""Batch normalisation against torch's own."""

import torch
from torch.nn.functional import batch_norm

from audioae.nn.norm import BatchNorm


def test_it_is_that_of_torch_with_its_gradients() -> None:
    torch.manual_seed(0)
    norm = BatchNorm(4).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = (3 + 2 * torch.randn(2, 7, 5, 4, dtype=torch.float64)).requires_grad_(True)
    mine = norm(x)
    theirs = batch_norm(x.flatten(0, -2), None, None, norm.weight, norm.bias, training=True).view_as(x)
    torch.testing.assert_close(mine, theirs)
    weights = torch.randn_like(x)
    wanted = [x, norm.weight, norm.bias]
    for one, other in zip(*(torch.autograd.grad((y * weights).sum(), wanted) for y in (mine, theirs)), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(norm.running_mean, 0.02 * x.mean((0, 1, 2)).detach())


def test_folded_into_a_layer_it_is_the_same_in_training_and_at_inference() -> None:
    torch.manual_seed(0)
    norm, layer = BatchNorm(4), torch.nn.Linear(4, 3)
    x = 3 + 2 * torch.randn(2, 7, 4)
    norm.momentum = 0.0  # the running statistics do not change
    for training in (True, False):
        norm.train(training)
        torch.testing.assert_close(norm.then(layer, x), layer(norm(x)), atol=1e-5, rtol=1e-5)
        square = torch.nn.Linear(4, 4)
        torch.testing.assert_close(norm.after(square, x), norm(square(x)), atol=1e-5, rtol=1e-5)
