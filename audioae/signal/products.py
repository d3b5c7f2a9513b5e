"""Matrix products in parts so small that BLAS computes each in the calling thread.

OpenBLAS spreads larger products over all cores. Its threads then spin for work, and on a busy machine each product waits for
the last of them. A program that uses this package as a library may not have limited their number.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
ONE_THREAD = 2**18
"""Multiplications of a product up to which OpenBLAS uses one thread."""


def product(rows: Array, matrix: Array) -> Array:
    """``rows @ matrix`` for rows ``(..., T, K)`` and a matrix ``(K, M)``.

    >>> rows = np.arange(2000 * 300, dtype=np.float32).reshape(2000, 300) / 1e6
    >>> matrix = np.eye(300, 4, dtype=np.float32)
    >>> bool(np.allclose(product(rows, matrix), rows[:, :4]))
    True
    """
    count = rows.shape[-2]
    size = max(1, ONE_THREAD // matrix.size)
    if count <= size:
        return np.asarray(rows @ matrix)
    whole = count // size * size
    parts = rows[..., :whole, :].reshape(*rows.shape[:-2], whole // size, size, rows.shape[-1]) @ matrix
    first = parts.reshape(*rows.shape[:-2], whole, matrix.shape[1])
    return first if whole == count else np.concatenate((first, rows[..., whole:, :] @ matrix), axis=-2)
