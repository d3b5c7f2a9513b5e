"""Losses of autoencoders, and the penalties on their codes: from one
:class:`~audioae.autoencoders.stacks.AutoencoderOutput` to a scalar.

Penalties are zero if only outer levels were run, as in greedy training, because there is no code.
"""

from typing import Annotated

import torch
from torch import Tensor

from audioae.autoencoders.stacks import AutoencoderOutput
from audioae.settings.config import Field

LOUDEST = 6.0
"""Upper limit of standardised patches, in standard deviations."""
Rho = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=1000)]
Steps = Annotated[int, Field(ge=0)]
Bits = Annotated[float, Field(ge=0)]


def reconstruction_mse(result: AutoencoderOutput) -> Tensor:
    """Mean squared difference of patches."""
    return (result.output - result.target).square().mean()


def reconstruction_l1(result: AutoencoderOutput) -> Tensor:
    """Mean absolute difference of patches."""
    return (result.output - result.target).abs().mean()


def reconstruction_compressed(result: AutoencoderOutput, slope: Annotated[float, Field(gt=0, le=2)] = 0.5) -> Tensor:
    """Mean squared difference of ``exp(slope * patch)``, about a power of the magnitude: loud parts count most.

    The mean of logarithms is smaller than the logarithm of the mean, so that a denoiser trained on logarithms attenuates too
    much where it is uncertain. This loss has less of this bias, like compressed spectra (Braun & Tashev 2021).
    """
    output, target = (torch.exp(slope * side.clamp(max=LOUDEST)) for side in (result.output, result.target))
    return (output - target).square().mean()


def l1_sparsity(result: AutoencoderOutput) -> Tensor:
    """Sum of the code's magnitudes, averaged over patches."""
    if result.code is None:
        return result.output.new_zeros(())
    return result.code.abs().sum(1).mean()


def kl_sparsity(result: AutoencoderOutput, rho: Rho = 0.05, momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9) -> Tensor:
    """Divergence of each unit's mean activity from ``rho``, summed over units (Ng, "Sparse autoencoder", 2011).

    The activity is a running mean with ``momentum``; gradients pass through the mean of the batch only. Codes must be
    between 0 and 1, as with ``model.activation: sigmoid``.
    """
    if result.code is None:
        return result.output.new_zeros(())
    batch = result.code.mean(0)
    activity = batch
    if result.activity is not None:
        activity = batch + (momentum * (result.activity - batch)).detach()
    activity = activity.clamp(1e-6, 1 - 1e-6)
    return (rho * torch.log(rho / activity) + (1 - rho) * torch.log((1 - rho) / (1 - activity))).sum()


def contractive(result: AutoencoderOutput, probes: Count = 1) -> Tensor:
    """Squared Frobenius norm of the encoder's Jacobian (Rifai et al., "Contractive auto-encoders", 2011), mean over patches.

    Exact for a dense encoder, else estimated from ``probes`` random vectors.
    """
    if result.jacobian is None:
        return result.output.new_zeros(())
    return result.jacobian(probes).mean()


def kl_prior(result: AutoencoderOutput, free_bits: Bits = 0.0, warm_up: Steps = 0) -> Tensor:
    """Divergence of a variational code from a standard Gaussian, summed over units (Kingma & Welling 2014), in nats.

    Args:
        result: with a variational code.
        free_bits: nats per unit without a penalty, averaged over the batch (Kingma et al. 2016).
        warm_up: steps over which the term grows from zero to its weight (Bowman et al. 2016).
    """
    if result.mean is None or result.log_variance is None:
        return result.output.new_zeros(())
    divergence = _unit_divergence(result.mean, result.log_variance).mean(0)
    return divergence.clamp_min(free_bits).sum() * min(1.0, (result.step + 1) / (warm_up + 1))


def _unit_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Divergence of each Gaussian from the standard one, in nats, elementwise."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
