"""Norms of Jacobians against autograd's own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from audioae.autoencoders.jacobian import dense_norm, hutchinson_norm
from audioae.autoencoders.losses import contractive
from audioae.autoencoders.models.autoencoder import Config, Model

CODES = [
    {"activation": "none"},
    {"activation": "relu"},
    {"activation": "shrink"},
    {"activation": "sigmoid"},
    {"activation": "none", "top_k": 3},
    {"activation": "relu", "top_k": 3},
    {"activation": "shrink", "top_k": 3},
    {"activation": "sigmoid", "top_k": 3},
    {"variational": True},
]
"""Every make of a code."""
of_every_code = pytest.mark.parametrize("code", CODES, ids=lambda code: "-".join(map(str, code.values())))


def truth(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    jacobian = vmap(jacrev(lambda row: encode(row.unsqueeze(0))[0]))(x)
    return jacobian.flatten(1).square().sum(1)


def model(code: dict[str, object], widths: tuple[int, ...] = (), scale: float = 1.0) -> tuple[Model, Tensor]:
    """An autoencoder and patches ``(5, 16, 8)``."""
    torch.manual_seed(0)
    made = Model(Config(widths=widths, strides=(2,) * len(widths), code=8, bands=16, frames=8, **code)).eval()
    return made, scale * torch.randn(5, 16, 8)


@of_every_code
@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_a_dense_encoder_is_exact(code: dict[str, object], scale: float) -> None:
    made, x = model(code, scale=scale)
    expected = truth(made.encode, x)
    assert torch.allclose(made.jacobian_norm(x), expected, rtol=1e-4)
    # While training too, when units that are off get a little gradient that is not the encoder's own.
    assert torch.allclose(made.train().jacobian_norm(x), expected, rtol=1e-4)
    with torch.no_grad():
        assert torch.allclose(made.jacobian_norm(x), expected, rtol=1e-4)


@of_every_code
def test_the_estimate_of_a_deep_encoder_is_that_of_many_probes(code: dict[str, object]) -> None:
    made, x = model(code, widths=(4, 4))
    expected = truth(made.encode, x)
    torch.manual_seed(1)
    assert torch.allclose(made.train().jacobian_norm(x, 3000).detach(), expected.detach(), rtol=0.1)


def test_inactive_units_contribute_nothing() -> None:
    made, x = model({"activation": "shrink"}, scale=0.01)
    assert not made.encode(x).any(), "every unit is within the threshold"
    for training in (False, True):
        passed = made.train(training).autoencode(x, x)
        assert contractive(passed).item() == 0


@of_every_code
def test_the_exact_penalty_has_the_gradients_of_autograd(code: dict[str, object]) -> None:
    made, x = model(code)
    wanted = made.to_code.weight
    (expected,) = torch.autograd.grad(truth(made.encode, x).mean(), wanted)
    (found,) = torch.autograd.grad(made.jacobian_norm(x).mean(), wanted)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("backbone", ["1d", "2d"])
def test_the_estimate_of_a_deep_encoder_is_within_five_percent(backbone: str) -> None:
    torch.manual_seed(0)
    model = Model(Config(backbone=backbone, widths=(8, 8), strides=(2, 2), code=8, bands=16, frames=8, activation="sigmoid"))
    x = torch.randn(64, 16, 8)
    exact = truth(model.encode, x).mean().detach()
    estimate = hutchinson_norm(model.encode, x, 64).mean().detach()
    assert abs(float(estimate / exact) - 1) < 0.05


def test_the_penalty_has_gradients_and_its_measure_has_none() -> None:
    torch.manual_seed(0)
    encode = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.Tanh(), nn.Linear(6, 3))
    x = torch.randn(4, 3, 4)
    hutchinson_norm(encode, x, 2).mean().backward()
    assert encode[1].weight.grad.abs().max() > 0
    before = encode[1](x.flatten(1))
    dense_norm(encode[1].weight, before, torch.tanh).mean().backward()
    with torch.no_grad():
        assert not hutchinson_norm(encode, x, 2).requires_grad
        assert not dense_norm(encode[1].weight, encode[1](x.flatten(1)), torch.tanh).requires_grad
