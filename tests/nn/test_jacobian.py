"""Norms of Jacobians against autograd's own."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from audioae.models.autoencoder import Config, Model
from audioae.nn.jacobian import dense_norm, hutchinson_norm


def truth(encode: object, x: Tensor) -> Tensor:
    jacobian = vmap(jacrev(lambda row: encode(row.unsqueeze(0))[0]))(x)  # type: ignore[operator]
    return jacobian.flatten(1).square().sum(1)


@pytest.mark.parametrize("activation", ["none", "relu", "sigmoid"])
def test_a_dense_encoder_is_exact(activation: str) -> None:
    torch.manual_seed(0)
    model = Model(Config(widths=(), strides=(), code=8, bands=8, frames=4, activation=activation)).eval()
    x = torch.randn(5, 8, 4)
    assert torch.allclose(model.jacobian_norm(x), truth(model.encode, x), rtol=1e-4)
    layer = model.to_code
    assert torch.allclose(dense_norm(layer.weight, layer(x.flatten(1)), activation), truth(model.encode, x), rtol=1e-4)


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
    with torch.no_grad():
        assert not hutchinson_norm(encode, x, 2).requires_grad
