"""Measures of autoencoders on held-out patches: functions from one :class:`~audioae.autoencoders.stacks.AutoencoderOutput`
to a number."""

from audioae.autoencoders.stacks import AutoencoderOutput
from audioae.measures import table
from audioae.measures.table import MEASURES

__all__ = ["MEASURES"]

LOWER_IS_BETTER = table.LOWER_IS_BETTER | {
    "reconstruction_error",
    "code_l0",
    "dead_units",
    "jacobian_norm",
    "mean_activity",
}

QUIET = 0.01
"""Variance of a unit's mean below which the unit of a variational code is inactive."""
DEAD = 1e-3
"""Largest magnitude of a dead unit, relative to the mean magnitude of all units."""


def reconstruction_error(result: AutoencoderOutput) -> float:
    """Mean squared difference of standardised patches: 1 is the error of the mean patch."""
    return float((result.output - result.target).square().mean())


def explained_variance(result: AutoencoderOutput) -> float:
    """Share of the patches' variance that is reconstructed, with a mean for each band and frame."""
    spread = (result.target - result.target.mean(0)).square().sum()
    return 1 - float((result.output - result.target).square().sum() / spread)


def mean_activity(result: AutoencoderOutput) -> float:
    """Mean of the code, which KL sparsity keeps at rho."""
    return float("nan") if result.code is None else float(result.code.mean())


def code_l0(result: AutoencoderOutput) -> float:
    """Mean share of units whose magnitude exceeds a hundredth of the largest magnitude."""
    if result.code is None:
        return float("nan")
    magnitude = result.code.abs()
    return float((magnitude > 0.01 * magnitude.max()).float().mean())


def dead_units(result: AutoencoderOutput) -> float:
    """Share of units that are 0 for all patches."""
    if result.code is None:
        return float("nan")
    magnitude = result.code.abs()
    return float((magnitude.amax(0) <= DEAD * magnitude.mean()).float().mean())


def active_units(result: AutoencoderOutput) -> float:
    """Share of active units of a variational code (Burda et al., "Importance weighted autoencoders", 2016)."""
    if result.mean is None or result.log_variance is None:
        return float("nan")
    return float((result.mean.var(0) > QUIET).float().mean())


def jacobian_norm(result: AutoencoderOutput, probes: int = 8) -> float:
    """Mean squared Frobenius norm of the encoder's Jacobian."""
    if result.jacobian is None:
        return float("nan")
    return float(result.jacobian(probes).mean().detach())
