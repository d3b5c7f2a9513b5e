"""Penalties on codes against closed forms and torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from audioae.autoencoders import losses as codes
from audioae.autoencoders.stacks import AutoencoderOutput

PATCH = torch.zeros(6, 4, 3)


def test_reconstruction_equals_torch() -> None:
    a, b = torch.randn(6, 4, 3), torch.randn(6, 4, 3)
    assert torch.isclose(codes.reconstruction_mse(AutoencoderOutput(a, b)), torch.nn.functional.mse_loss(a, b))
    assert torch.isclose(codes.reconstruction_l1(AutoencoderOutput(a, b)), torch.nn.functional.l1_loss(a, b))


def test_kl_sparsity_is_the_divergence_of_bernoulli_distributions() -> None:
    code = torch.rand(6, 5)
    expected = kl_divergence(Bernoulli(torch.tensor(0.05)), Bernoulli(code.mean(0))).sum()
    assert torch.isclose(codes.kl_sparsity(AutoencoderOutput(PATCH, PATCH, code)), expected, rtol=1e-4)
    at_rho = torch.full((6, 5), 0.2)
    assert codes.kl_sparsity(AutoencoderOutput(PATCH, PATCH, at_rho), rho=0.2).abs() < 1e-6


def test_the_running_mean_sets_the_value_and_the_batch_the_gradient() -> None:
    code = torch.rand(6, 5, requires_grad=True)
    running = torch.full((5,), 0.5)
    value = codes.kl_sparsity(AutoencoderOutput(PATCH, PATCH, code, activity=running), rho=0.05, momentum=0.9)
    mixed = 0.9 * running + 0.1 * code.mean(0)
    assert torch.isclose(value, kl_divergence(Bernoulli(torch.tensor(0.05)), Bernoulli(mixed)).sum(), rtol=1e-4)
    value.backward()
    slope = (-0.05 / mixed + 0.95 / (1 - mixed)) / 6
    assert torch.allclose(code.grad, slope.expand(6, 5), rtol=1e-4)


def test_kl_prior_is_the_divergence_of_gaussians() -> None:
    mean, log_variance = torch.randn(6, 5), torch.randn(6, 5)
    result = AutoencoderOutput(PATCH, PATCH, mean, mean, log_variance, step=10**6)
    normal = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).mean(0)
    assert torch.isclose(codes.kl_prior(result), normal.sum(), rtol=1e-4)
    assert torch.isclose(codes.kl_prior(result, free_bits=0.7), normal.clamp_min(0.7).sum(), rtol=1e-4)
    early = result._replace(step=99)
    assert torch.isclose(codes.kl_prior(early, warm_up=199), 0.5 * normal.sum(), rtol=1e-4)


def test_l1_and_contractive_are_means_over_patches() -> None:
    code = torch.randn(6, 5)
    assert torch.isclose(codes.l1_sparsity(AutoencoderOutput(PATCH, PATCH, code)), code.abs().sum() / 6)
    asked = []

    def jacobian(probes: int) -> torch.Tensor:
        asked.append(probes)
        return torch.arange(6.0)

    assert codes.contractive(AutoencoderOutput(PATCH, PATCH, code, jacobian=jacobian), probes=3) == 2.5 and asked == [3]


@pytest.mark.parametrize("name", ["l1_sparsity", "kl_sparsity", "contractive", "kl_prior"])
def test_penalties_are_zero_without_a_code(name: str) -> None:
    assert getattr(codes, name)(AutoencoderOutput(PATCH, PATCH)) == 0


def test_compressed_error_is_that_of_powers_of_the_magnitude() -> None:
    target = torch.tensor([[[2.0]], [[-2.0]]])
    for index, expected in ((0, (math.exp(1.1) - math.exp(1.0)) ** 2), (1, (math.exp(-0.9) - math.exp(-1.0)) ** 2)):
        output = target.clone()
        output[index] += 0.2
        error = codes.reconstruction_compressed(AutoencoderOutput(target, output), slope=0.5)
        assert float(error) == pytest.approx(expected / 2, rel=1e-4)
