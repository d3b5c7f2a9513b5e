"""All measures by name, for ``valid.measures`` of a recipe and ``audioae evaluate``, in four families.

``waves``: functions ``(estimate, clean, rate)``; ``codes``: functions ``(passed,)`` of one way through an autoencoder;
``labels``: functions ``(logits, labels)`` of classifiers; ``sounds``: functions ``(beside,)`` of generators.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from audioae.autoencoders import measures as codes
from audioae.autoencoders.stacks import Pass
from audioae.classifiers import measures as labels
from audioae.generators import measures as sounds
from audioae.generators.measures import Beside
from audioae.measures import dnsmos, perceptual, signal
from audioae.settings.registry import public_functions

Measure = Callable[[NDArray[np.float32], NDArray[np.float32], int], float]

MEASURES: dict[str, Measure] = public_functions(perceptual, signal, dnsmos)
"""Name to function ``(estimate, clean, rate) -> float``: every public function of the measure modules."""

CODE_MEASURES: dict[str, Callable[[Pass], float]] = public_functions(codes)
"""Name to function ``(passed,) -> float``."""

LABEL_MEASURES: dict[str, Callable[[Tensor, Tensor], float]] = public_functions(labels)
"""Name to function ``(logits, labels) -> float``."""

SOUND_MEASURES: dict[str, Callable[[Beside], float]] = public_functions(sounds)
"""Name to function ``(beside,) -> float``."""

OF_JUDGE = frozenset({"frechet_of_sounds", "inception_score", "diversity", "class_accuracy"})
"""What a judge is needed for."""

FAMILIES: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "waves": MEASURES,
    "codes": CODE_MEASURES | MEASURES,
    "labels": LABEL_MEASURES,
    "sounds": SOUND_MEASURES,
}
"""What models of each family can be measured by: autoencoders also as denoisers."""

LOWER_IS_BETTER = frozenset(
    {
        "log_spectral_distance",
        "reconstruction_error",
        "code_l0",
        "dead_units",
        "jacobian_norm",
        "mean_activity",
        "sliced_wasserstein",
        "frechet_of_sounds",
    }
)
PACKAGES = {
    "pesq": ("pesq",),
    "pesq_nb": ("pesq",),
    "stoi": ("pystoi",),
    "estoi": ("pystoi",),
    "dnsmos_sig": ("speechmos", "onnxruntime"),
    "dnsmos_bak": ("speechmos", "onnxruntime"),
    "dnsmos_ovrl": ("speechmos", "onnxruntime"),
}
"""What each measure is computed by; the others are this package's own."""


def measure(names: Sequence[str], estimate: NDArray[np.float32], clean: NDArray[np.float32], rate: int) -> dict[str, float]:
    """The named measures of ``(N,)`` or ``(N, C)``, the mean over those channels that have a figure.

    >>> wave = np.sin(np.arange(8000) * 0.1)
    >>> measure(["log_spectral_distance"], wave, wave, 8000)
    {'log_spectral_distance': 0.0}
    """
    channels = list(zip(np.atleast_2d(estimate.T), np.atleast_2d(clean.T), strict=True))
    return {name: _mean([MEASURES[name](a, b, rate) for a, b in channels]) for name in names}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def better(name: str, value: float, than: float | None) -> bool:
    """Whether a value of the measure beats another; anything beats none."""
    if than is None or np.isnan(than):
        return not np.isnan(value)
    return value < than if name in LOWER_IS_BETTER else value > than


def libraries(packages: Sequence[str]) -> str:
    """Packages with their versions, for labels of figures.

    >>> libraries(["no-such-package"])
    'no-such-package (not installed)'
    """
    return ", ".join(map(_with_version, packages))


def library(name: str) -> str:
    """What a measure is computed by, with the version, such as ``pesq 0.0.4``."""
    return libraries(PACKAGES.get(name, ("audioae",)))


def _with_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed)"
