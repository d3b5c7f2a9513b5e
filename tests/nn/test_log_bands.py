"""Bands of autoencoders, against librosa's mel filters and by their own laws."""

import librosa
import numpy as np
import pytest
import torch

from audioae.nn.log_bands import FLOOR, LogBands


def magnitude(bins: int, frames: int = 20) -> torch.Tensor:
    return torch.rand(2, bins, frames, generator=torch.Generator().manual_seed(0)) + 0.1


def test_mel_bands_are_librosas_but_for_their_scale() -> None:
    layer = LogBands("log_mel", 16000, 40)
    power = magnitude(257).numpy() ** 2
    reference = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40)[:, :256]
    reference /= reference.sum(1, keepdims=True)
    expected = 0.5 * np.log(np.einsum("kf,bft->btk", reference, power[:, :256]) + FLOOR**2)
    assert np.abs(layer.log(magnitude(257)).numpy() - expected).max() < 1e-3


@pytest.mark.parametrize("kind", ["log_mel", "log_magnitude"])
@pytest.mark.parametrize("bins", [129, 257, 769])
def test_any_rate_is_read(kind: str, bins: int) -> None:
    layer = LogBands(kind, 16000, 64)
    bands = layer(magnitude(bins))
    assert bands.shape == (2, 20, layer.bands) and torch.isfinite(bands).all()
    assert layer.gain(bands, bands, bins).shape == (2, bins, 20)


@pytest.mark.parametrize("kind", ["log_mel", "log_magnitude"])
def test_the_gain_between_a_sound_and_a_louder_one_is_how_much_louder_it_is(kind: str) -> None:
    layer = LogBands(kind, 16000, 64)
    layer.fit(layer.log(magnitude(257)))
    quiet, loud = layer(magnitude(257)), layer(2 * magnitude(257))
    assert torch.allclose(layer.gain(loud, quiet, 769), torch.tensor(2.0), atol=1e-3)
    assert torch.allclose(layer.gain(quiet, loud, 257), torch.tensor(0.5), atol=1e-3)
    assert layer.gain(quiet + 1e3, quiet, 257).max() <= 10 ** (30 / 20) + 1e-3  # bounded


def test_fitted_bands_are_standardised() -> None:
    layer = LogBands("log_mel", 16000, 64)
    layer.fit(layer.log(magnitude(257, 500)))
    bands = layer(magnitude(257, 500)).flatten(0, 1)
    assert bands.mean(0).abs().max() < 1e-4 and (bands.std(0) - 1).abs().max() < 1e-3


def test_bins_come_back_exactly_and_mel_bands_on_average() -> None:
    for kind, bound in (("log_magnitude", 1e-3), ("log_mel", 0.35)):
        layer = LogBands(kind, 16000, 64)
        layer.fit(layer.log(magnitude(257, 500)))
        back = layer.magnitude(layer(magnitude(257)))
        assert back.shape == (2, 257, 20)
        error = (back - magnitude(257))[:, :256].square().mean() / magnitude(257)[:, :256].square().mean()
        assert error < bound


def test_no_band_is_empty_however_many_there_are() -> None:
    layer = LogBands("log_mel", 8000, 128)
    assert (layer.average.sum(0) - 1).abs().max() < 1e-5
    assert (layer.spread.sum(1) - 1).abs().max() < 1e-5
