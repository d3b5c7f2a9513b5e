"""Frechet distance between two sets of sounds, in the embedding of a classifier."""

import numpy as np
from numpy.typing import NDArray


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Frechet distance of two sets of embeddings ``(N, E)`` and ``(M, E)``, each modelled by a Gaussian.

    Dowson & Landau, "The Frechet distance between multivariate normal distributions", 1982; used as by Heusel et al. 2017.
    It decreases with the number of embeddings, so that only sets of equal size can be compared.

    >>> grid = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
    >>> round(frechet_distance(grid, grid + 3), 3)
    18.0
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    covariances = [np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b)]
    # Rounding may add a tiny imaginary part to the square root.
    from scipy.linalg import sqrtm

    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    shift = a.mean(0) - b.mean(0)
    return max(0.0, float(shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)))
