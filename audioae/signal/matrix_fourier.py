"""The Fourier transform of real samples as products with small matrices, for runtimes without such a transform.

A transform of ``n = n1 * n2`` samples takes two products with small matrices in place of one with a large one (Cooley &
Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965); the inverse takes their transposes.
"""

import numpy as np
import torch
from torch import Tensor, nn


def factors(size: int) -> tuple[int, int]:
    """``n1`` and ``n2``, whose product is ``size``, for which the matrices of :class:`MatrixFourier` are smallest.

    >>> factors(512), factors(1536), factors(1412)
    ((64, 8), (128, 12), (353, 4))
    """
    pairs = [(size // n, n) for n in range(1, size + 1) if size % n == 0]
    return min(pairs, key=lambda pair: pair[0] ** 2 + 2 * size * pair[1])


class MatrixFourier(nn.Module):
    """``rfft`` and ``irfft`` of ``size`` samples as matrix products on real numbers.

    >>> x = torch.randn(3, 24)
    >>> fourier = MatrixFourier(24)
    >>> real, imag = fourier(x).unbind(-2)
    >>> torch.allclose(torch.complex(real, imag), torch.fft.rfft(x), atol=1e-5)
    True
    >>> torch.allclose(fourier.inverse(fourier(x)), x, atol=1e-5)
    True
    """

    first: Tensor
    second: Tensor
    second_back: Tensor
    where: Tensor
    where_back: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.n1, self.n2 = n1, n2 = factors(size)
        self.bins = size // 2 + 1
        self.rows = n1 // 2 + 1  # the others are conjugates, because samples are real
        row, column = np.arange(self.rows), np.arange(n2)
        # Sample n2 * i + j: over i first, which gives the remainder of the bin by n1, then over j.
        first = _turns(np.outer(row, np.arange(n1)) / n1)  # (rows, n1)
        bins = row[:, None] + n1 * column  # (rows, n2)
        second = _turns(column[:, None] * bins[:, None, :] / size)  # (rows, j, k2)
        folded = bins > size // 2  # bin b is the conjugate of bin size - b
        second = np.where(folded[:, None], second.conj(), second)
        conjugate = np.where(folded, -1, 1)[:, None]
        # As real numbers: [real, imaginary] of the sums over i times the matrix is that of the bins.
        product = np.concatenate(
            [
                np.concatenate([second.real, second.imag], 2),
                np.concatenate([-conjugate * second.imag, conjugate * second.real], 2),
            ],
            1,
        )  # (rows, 2 * j, 2 * k2)
        own = np.where(folded, size - bins, bins)
        place = np.zeros(self.bins, int)  # of each bin, one of those that give it
        place[own.ravel()] = np.arange(own.size)
        used = np.zeros(own.size)
        used[place] = np.where((np.arange(self.bins) % (size / 2)) == 0, 1.0, 2.0) / size
        weight = np.concatenate([used.reshape(own.shape)] * 2, 1)[:, :, None]
        stacked = np.stack([first.real, first.imag], 1).reshape(2 * self.rows, n1)
        at = place // n2 * 2 * n2 + place % n2
        back = np.concatenate([own, self.bins + own], 1).ravel()
        for name, value in (
            ("first", stacked),
            ("second", product),
            ("second_back", weight * product.transpose(0, 2, 1)),
        ):
            self.register_buffer(name, torch.from_numpy(value.astype(np.float32)), persistent=False)
        for name, value in (("where", np.concatenate([at, at + n2])), ("where_back", back)):
            self.register_buffer(name, torch.from_numpy(value), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Samples ``(..., size)`` to real and imaginary parts ``(..., 2, F)``."""
        sums = torch.matmul(self.first, x.unflatten(-1, (self.n1, self.n2)))  # (..., 2 * rows, n2)
        bins = torch.matmul(sums.unflatten(-2, (self.rows, 2)).flatten(-2).unsqueeze(-2), self.second)
        return bins.flatten(-3).index_select(-1, self.where).unflatten(-1, (2, self.bins))

    def inverse(self, parts: Tensor) -> Tensor:
        """Real and imaginary parts ``(..., 2, F)`` to samples ``(..., size)``."""
        bins = parts.flatten(-2).index_select(-1, self.where_back).unflatten(-1, (self.rows, 1, 2 * self.n2))
        sums = torch.matmul(bins, self.second_back).squeeze(-2).unflatten(-1, (2, self.n2)).flatten(-3, -2)
        return torch.matmul(self.first.T, sums).flatten(-2)


def _turns(turns: np.ndarray) -> np.ndarray:
    return np.exp(-2j * np.pi * turns)
