"""Frechet distance between two sets of sounds, in the embedding of a classifier."""

import numpy as np
from numpy.typing import NDArray


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Frechet distance of two sets of embeddings ``(N, E)`` and ``(M, E)``, each taken for a Gaussian.

    Dowson & Landau, "The Frechet distance between multivariate normal distributions", 1982; Heusel et al. 2017 for its use.
    It falls with the number of embeddings, so sets that are compared should be equally large.

    >>> grid = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    >>> round(frechet_distance(grid, grid + 3), 3)
    18.0
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    covariances = [np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b)]
    # The root of a product of covariances may get a tiny imaginary part by rounding.
    from scipy.linalg import sqrtm

    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    shift = a.mean(0) - b.mean(0)
    return max(0.0, float(shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)))
