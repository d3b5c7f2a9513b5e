"""Measures of waves by name, for ``valid.measures`` of a recipe and ``audioae evaluate``: functions ``(estimate, clean,
rate)``."""

from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from audioae.measures import dnsmos, perceptual, signal
from audioae.settings.registry import public_functions

Measure = Callable[[NDArray[np.float32], NDArray[np.float32], int], float]

MEASURES: dict[str, Measure] = public_functions(perceptual, signal, dnsmos)
"""Name to function ``(estimate, clean, rate) -> float``: every public function of the measure modules."""

WITHOUT_REFERENCE = frozenset(public_functions(dnsmos))
"""Measures of the estimate alone."""

LOWER_IS_BETTER = frozenset({"log_spectral_distance"})
PACKAGES = {
    "pesq": ("pesq",),
    "pesq_nb": ("pesq",),
    "stoi": ("pystoi",),
    "estoi": ("pystoi",),
    "dnsmos_sig": ("speechmos", "onnxruntime"),
    "dnsmos_bak": ("speechmos", "onnxruntime"),
    "dnsmos_ovrl": ("speechmos", "onnxruntime"),
}
"""Libraries that compute measures; all other measures are computed by this package."""


def measure(names: Sequence[str], estimate: NDArray[np.float32], clean: NDArray[np.float32], rate: int) -> dict[str, float]:
    """The named measures of ``(N,)`` or ``(N, C)``, as the mean over channels; NaN is ignored.

    >>> wave = np.sin(np.arange(8000) * 0.1)
    >>> measure(["log_spectral_distance"], wave, wave, 8000)
    {'log_spectral_distance': 0.0}
    """
    channels = list(zip(np.atleast_2d(estimate.T), np.atleast_2d(clean.T), strict=True))
    return {name: _mean([MEASURES[name](a, b, rate) for a, b in channels]) for name in names}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def libraries(packages: Sequence[str]) -> str:
    """Packages with their versions, for tables.

    >>> libraries(["no-such-package"])
    'no-such-package (not installed)'
    """
    return ", ".join(map(_with_version, packages))


def library(name: str) -> str:
    """The library that computes a measure, with its version, such as ``pesq 0.0.4``."""
    return libraries(PACKAGES.get(name, ("audioae",)))


def _with_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed)"
