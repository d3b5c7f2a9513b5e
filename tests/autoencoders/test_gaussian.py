"""Bounds of variational codes, against the closed form of a linear Gaussian model."""

import torch
from torch.distributions import MultivariateNormal

from audioae.autoencoders.gaussian import importance_bound, log_weights

NOISE = 0.3


def linear_model() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A decoder ``(6, 2)``, patches ``(B, 2, 3)`` that it may have made, and their exact log-likelihood."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 2, generator=generator)
    patches = torch.randn(5, 2, generator=generator) @ weight.T + NOISE**0.5 * torch.randn(5, 6, generator=generator)
    exact = MultivariateNormal(torch.zeros(6), weight @ weight.T + NOISE * torch.eye(6)).log_prob(patches)
    return weight, patches.view(5, 2, 3), exact


def test_with_the_exact_posterior_every_weight_is_the_likelihood() -> None:
    weight, patches, exact = linear_model()
    weight = torch.linalg.qr(weight)[0]  # makes the posterior's covariance diagonal
    exact = MultivariateNormal(torch.zeros(6), weight @ weight.T + NOISE * torch.eye(6)).log_prob(patches.flatten(1))
    variance = 1 / (1 + 1 / NOISE)
    mean = variance / NOISE * patches.flatten(1) @ weight
    log_variance = torch.full_like(mean, variance).log()
    weights = log_weights(lambda z: (z @ weight.T).view(-1, 2, 3), mean, log_variance, patches, NOISE, 7)
    assert torch.allclose(weights, exact.expand(7, 5), atol=1e-4)


def test_bounds_are_below_the_likelihood_and_the_importance_bound_is_the_tighter_one() -> None:
    torch.manual_seed(0)
    weight, patches, exact = linear_model()
    poor = torch.zeros(5, 2), torch.zeros(5, 2)  # the prior in place of the posterior
    weights = log_weights(lambda z: (z @ weight.T).view(-1, 2, 3), *poor, patches, NOISE, 4000)
    bound = importance_bound(weights)
    assert (weights.mean(0) < bound).all()
    assert (bound - exact).abs().max() < 1.0
    assert (importance_bound(weights[:1]) == weights[0]).all()
