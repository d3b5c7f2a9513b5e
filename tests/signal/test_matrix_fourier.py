"""The Fourier transform by matrix products."""

import numpy as np
import pytest
import torch

from audioae.signal.framing import window_length
from audioae.signal.matrix_fourier import MatrixFourier, factors

SIZES = sorted(
    {window_length(r, *t) for r in (8000, 11025, 44100, 48000) for t in ((0.016,), (0.024, 0.064))} | {2, 10, 706}
)


@pytest.mark.parametrize("size", SIZES)
def test_is_that_of_numpy_and_its_inverse(size: int) -> None:
    fourier, wave = MatrixFourier(size), np.random.default_rng(0).normal(size=(2, 3, size)).astype(np.float32)
    real, imag = fourier(torch.from_numpy(wave)).unbind(-2)
    expected = np.fft.rfft(wave)
    scale = np.abs(expected).max()
    assert np.abs(torch.complex(real, imag).numpy() - expected).max() < 1e-6 * scale
    spectrum = np.random.default_rng(1).normal(size=(2, 3, 2, size // 2 + 1)).astype(np.float32)
    made = fourier.inverse(torch.from_numpy(spectrum)).numpy()
    expected = np.fft.irfft(spectrum[..., 0, :] + 1j * spectrum[..., 1, :], size)
    assert np.abs(made - expected).max() < 1e-6 * max(1.0, np.abs(expected).max())


def test_matrices_are_small() -> None:
    for size in SIZES:
        assert np.prod(factors(size)) == size
        if size > 10:
            assert sum(each.numel() for each in MatrixFourier(size).buffers()) < size * (size + 2) / 2
