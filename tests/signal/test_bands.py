import numpy as np
import pytest
import torch

from audioae.signal.bands import BY_BINS, TOP_HZ, BandLayout, hz_of
from audioae.signal.stft import STFT

RATES = [8000, 16000, 24000, 44100, 48000, 96000, 192000]
WINDOWS = [0.016, 0.032, 0.04, 0.048, 0.064, 0.1]


def bins(rate: int, window: float) -> int:
    return STFT(rate, window / 2).bins


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("rate", RATES)
def test_weights_sum_to_one_at_every_bin(rate: int, window: float) -> None:
    layout = BandLayout(1 / window)
    table, means = layout.weights(bins(rate, window)), layout.averages(bins(rate, window))
    assert torch.allclose(table.sum(1), torch.ones(len(table)))
    assert (table >= 0).all()
    assert torch.allclose(means.sum(0), torch.ones(means.shape[1]))  # no band without a bin


@pytest.mark.parametrize("window", WINDOWS)
def test_single_bins_below_and_erb_like_above(window: float) -> None:
    layout = BandLayout(1 / window)
    centres = np.array(layout.centres)
    low = centres[centres < layout.identity_hz - 1]
    assert np.allclose(np.diff(low), 1 / window)
    high = centres[centres > layout.identity_hz + 1]
    # Glasberg & Moore's equivalent rectangular bandwidth grows with frequency, and so does the distance of the bands.
    distance, erb = np.diff(high), 24.7 * (4.37e-3 * high[:-1] + 1)
    assert (np.diff(distance) > 0).all()
    assert (distance / erb).std() < 0.05 * (distance / erb).mean()


def test_bands_are_as_wide_in_hz_for_every_window() -> None:
    above = [[c for c in BandLayout(1 / window).centres if c > 1400] for window in WINDOWS]
    assert all(each == above[0] for each in above)
    assert all(TOP_HZ - each[-1] < 1.01 * (each[-1] - each[-2]) for each in above)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("rate", RATES)
def test_bands_are_narrow(rate: int, window: float) -> None:
    layout = BandLayout(1 / window)
    hz = hz_of(bins(rate, window), layout)
    audible = hz <= min(TOP_HZ, rate / 2)
    table = layout.weights(len(hz))
    centre = (table * torch.tensor(layout.centres[: table.shape[1]], dtype=torch.float32)).sum(1).numpy()
    # A third of an ERB, and the width of a bin.
    width = 24.7 * (4.37e-3 * hz + 1) / 3 + 1 / window
    assert (np.abs(centre - hz)[audible] <= 1.1 * width[audible]).all()


@pytest.mark.parametrize("window", WINDOWS)
def test_bands_are_equal_at_every_rate(window: float) -> None:
    layout = BandLayout(1 / window)
    wide, narrow = layout.averages(bins(48000, window)), layout.averages(bins(16000, window))
    inner = narrow.shape[1] - 2  # the last bands of the narrow one reach beyond its Nyquist frequency
    assert torch.allclose(wide[: len(narrow), :inner], narrow[:, :inner], atol=1e-6)


@pytest.mark.parametrize("window", WINDOWS)
def test_bands_above_the_nyquist_frequency_are_absent(window: float) -> None:
    layout = BandLayout(1 / window)
    counts = [layout.count(bins(rate, window)) for rate in RATES]
    assert counts == sorted(counts)
    for rate, count in zip(RATES, counts, strict=True):
        assert layout.centres[count - 1] <= rate / 2 * 1.004


def test_the_layout_of_format_1_has_not_changed() -> None:
    assert [BY_BINS.count(f) for f in (129, 257, 769)] == [82, 101, 131]
    assert BY_BINS.level_bins == slice(3, 129)
    assert BY_BINS.centres[63:66] == pytest.approx((1968.75, 2000.0, 2081.39), abs=0.01)
