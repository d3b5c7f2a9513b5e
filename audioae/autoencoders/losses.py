"""Losses of autoencoders, and the penalties on their codes: from one :class:`~audioae.autoencoders.stacks.Pass` to a scalar.

Penalties are nought where only the outer levels were run, as greedy training does, for there is no code then.
"""

from typing import Annotated

import torch
from torch import Tensor

from audioae.autoencoders.stacks import Pass
from audioae.settings.config import Field

LOUDEST = 6.0
"""Standardised patches beyond this many deviations are as loud as any."""
Rho = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=1000)]
Steps = Annotated[int, Field(ge=0)]
Bits = Annotated[float, Field(ge=0)]


def reconstruction_mse(passed: Pass) -> Tensor:
    """Mean squared difference of patches."""
    return (passed.output - passed.target).square().mean()


def reconstruction_l1(passed: Pass) -> Tensor:
    """Mean absolute difference of patches."""
    return (passed.output - passed.target).abs().mean()


def reconstruction_compressed(passed: Pass, slope: Annotated[float, Field(gt=0, le=2)] = 0.5) -> Tensor:
    """Mean squared difference of ``exp(slope * patch)``, which is about a power of the magnitude: what is loud counts most.

    The mean of logarithms lies below the logarithm of the mean, so that a denoiser trained on logarithms alone attenuates
    too much where it is unsure. This one, like the compressed spectra of denoisers (Braun & Tashev 2021), does less so.
    """
    output, target = (torch.exp(slope * side.clamp(max=LOUDEST)) for side in (passed.output, passed.target))
    return (output - target).square().mean()


def l1_sparsity(passed: Pass) -> Tensor:
    """Sum of the code's magnitudes, the mean over patches."""
    if passed.code is None:
        return passed.output.new_zeros(())
    return passed.code.abs().sum(1).mean()


def kl_sparsity(passed: Pass, rho: Rho = 0.05, momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9) -> Tensor:
    """Divergence of each unit's mean activity from ``rho``, summed over units (Ng, "Sparse autoencoder", 2011).

    The activity is the running mean with ``momentum``, else the batch's; the gradient is that of the batch's. For codes
    between 0 and 1: ``model.activation: sigmoid``.
    """
    if passed.code is None:
        return passed.output.new_zeros(())
    batch = passed.code.mean(0)
    activity = batch
    if passed.activity is not None:
        activity = batch + (momentum * (passed.activity - batch)).detach()
    activity = activity.clamp(1e-6, 1 - 1e-6)
    return (rho * torch.log(rho / activity) + (1 - rho) * torch.log((1 - rho) / (1 - activity))).sum()


def contractive(passed: Pass, probes: Count = 1) -> Tensor:
    """Squared Frobenius norm of the encoder's Jacobian (Rifai et al., "Contractive auto-encoders", 2011), mean over patches.

    Exact for a dense encoder, else estimated from ``probes`` random vectors.
    """
    if passed.jacobian is None:
        return passed.output.new_zeros(())
    return passed.jacobian(probes).mean()


def kl_prior(passed: Pass, free_bits: Bits = 0.0, warm_up: Steps = 0) -> Tensor:
    """Divergence of a variational code from a standard Gaussian, summed over units (Kingma & Welling 2014), in nats.

    Args:
        passed: with a variational code.
        free_bits: each unit may have so many nats for nothing, on average over the batch (Kingma et al. 2016).
        warm_up: steps over which the term grows from nothing to its weight (Bowman et al. 2016).
    """
    if passed.mean is None or passed.log_variance is None:
        return passed.output.new_zeros(())
    divergence = _unit_divergence(passed.mean, passed.log_variance).mean(0)
    return divergence.clamp_min(free_bits).sum() * min(1.0, (passed.step + 1) / (warm_up + 1))


def _unit_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of each Gaussian from the standard one, in nats, elementwise."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
