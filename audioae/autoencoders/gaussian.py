"""Likelihood bounds of autoencoders with a Gaussian code."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def log_weights(
    decode: Callable[[Tensor], Tensor], mean: Tensor, log_variance: Tensor, target: Tensor, variance: float, draws: int
) -> Tensor:
    """Logarithms of the importance weights ``p(x, z) / q(z | x)`` of codes z drawn from q, in nats.

    Their mean is the evidence lower bound (Kingma & Welling 2014). The logarithm of the mean weight is the importance
    weighted bound (Burda et al., "Importance weighted autoencoders", 2016).

    Args:
        decode: codes ``(B, D)`` to patches ``(B, K, P)``.
        mean: mean of q, ``(B, D)``.
        log_variance: logarithm of the variance of q, ``(B, D)``.
        target: patches x, ``(B, K, P)``.
        variance: variance of the Gaussian p(x | z) around the decoded patch.
        draws: number of codes per patch.

    Returns:
        ``(draws, B)``.
    """
    deviation = torch.exp(0.5 * log_variance)
    weights = []
    for _ in range(draws):
        noise = torch.randn_like(mean)
        code = mean + deviation * noise
        error = (decode(code) - target).square().flatten(1).sum(1)
        size = target[0].numel()
        likelihood = -0.5 * (error / variance + size * math.log(2 * math.pi * variance))
        prior = -0.5 * code.square().sum(1)  # the constants of both Gaussians of the code cancel
        posterior = -0.5 * (noise.square() + log_variance).sum(1)
        weights.append(likelihood + prior - posterior)
    return torch.stack(weights)


def importance_bound(weights: Tensor) -> Tensor:
    """The bound ``(B,)`` of weights ``(draws, B)`` from :func:`log_weights`."""
    return torch.logsumexp(weights, 0) - math.log(len(weights))
