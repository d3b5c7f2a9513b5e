"""Measures of generators: functions from generated and real sounds to a number."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.generators import frechet

PROJECTIONS = 256
LOWER_IS_BETTER = frozenset({"sliced_wasserstein", "frechet_of_sounds"})
NEED_CLASSIFIER = frozenset({"frechet_of_sounds", "inception_score", "diversity", "class_accuracy"})
"""Measures that need a classifier."""


class GenerationReport(NamedTuple):
    """Generated and real sounds; arrays of a classifier are empty without one.

    Attributes:
        images: generated images, ``(M, 1, K, P)``.
        real_images: ``(R, 1, K, P)``.
        embeddings: embeddings of generated sounds, ``(M, E)``.
        real_embeddings: ``(R, E)``.
        probabilities: class probabilities of generated sounds, ``(M, classes)``.
        asked: index of the class that was asked for, ``(M,)``, for generators with classes.
    """

    images: Tensor
    real_images: Tensor
    embeddings: NDArray[np.floating] = np.empty((0, 0))
    real_embeddings: NDArray[np.floating] = np.empty((0, 0))
    probabilities: NDArray[np.floating] = np.empty((0, 0))
    asked: NDArray[np.integer] = np.empty(0, int)


def sliced_wasserstein(report: GenerationReport) -> float:
    """Mean distance of images along random directions (Rabin et al. 2011), each set sorted; needs no classifier."""
    count = min(len(report.images), len(report.real_images))
    generator = torch.Generator().manual_seed(0)
    sides = [side[:count].flatten(1).cpu() for side in (report.images, report.real_images)]
    directions = torch.randn(sides[0].shape[1], PROJECTIONS, generator=generator)
    directions /= directions.norm(dim=0)
    a, b = ((side @ directions).sort(dim=0).values for side in sides)
    return float((a - b).abs().mean())


def frechet_of_sounds(report: GenerationReport) -> float:
    """Frechet distance to real sounds in the classifier's embedding; see :mod:`audioae.generators.frechet`."""
    return frechet.frechet_distance(report.embeddings, report.real_embeddings)


def inception_score(report: GenerationReport) -> float:
    """Inception score (Salimans et al. 2016), 1 to the number of classes: high for sounds of clear and evenly spread
    classes.

    >>> sure = np.eye(10).repeat(3, axis=0)
    >>> round(inception_score(GenerationReport(torch.zeros(0), torch.zeros(0), probabilities=sure)), 6)
    10.0
    """
    each = np.clip(report.probabilities.astype(np.float64), 1e-12, 1)
    return float(np.exp((each * (np.log(each) - np.log(each.mean(0)))).sum(1).mean()))


def diversity(report: GenerationReport) -> float:
    """Mean distance between two generated sounds in the classifier's embedding, as a share of that between two real ones."""
    return _spread(report.embeddings) / _spread(report.real_embeddings)


def class_accuracy(report: GenerationReport) -> float:
    """Share of the sounds that are classified as the class that was asked for; not a number without classes."""
    if not len(report.asked):
        return float("nan")
    return float((report.probabilities.argmax(1) == report.asked).mean())


def image_diversity(report: GenerationReport) -> float:
    """Mean distance between two generated images, as a share of that between two real ones; needs no classifier."""
    drawn, real = (_spread(side.flatten(1).cpu().numpy()) for side in (report.images, report.real_images))
    return drawn / real


def _spread(points: NDArray[np.floating]) -> float:
    """Mean distance between two of the points ``(M, E)``."""
    from scipy.spatial.distance import pdist

    return float(pdist(points).mean())
