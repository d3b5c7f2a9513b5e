"""Means over recordings with confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 0


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval and the number of recordings.

    The mean is NaN without recordings, the interval with fewer than two.
    """

    value: float
    low: float
    high: float
    count: int


def mean(values: Sequence[float], weights: Sequence[float] | None = None) -> Mean:
    """The weighted mean of finite values, with a percentile bootstrap interval over the recordings (Efron 1979).

    The random draws are equal for all models.

    >>> mean([1.0, 3.0, float("nan")]).value
    2.0
    """
    every = np.asarray(values, np.float64)
    share = np.ones_like(every) if weights is None else np.asarray(weights, np.float64)
    good = np.isfinite(every) & (share > 0)
    x, w = every[good], share[good]
    if not len(x):
        return Mean(float("nan"), float("nan"), float("nan"), 0)
    value = float((x * w).sum() / w.sum())
    if len(x) == 1:
        return Mean(value, float("nan"), float("nan"), 1)
    draws = np.random.default_rng(SEED).integers(len(x), size=(RESAMPLES, len(x)))
    resampled = (x * w)[draws].sum(1) / w[draws].sum(1)
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Mean(value, float(low), float(high), len(x))
