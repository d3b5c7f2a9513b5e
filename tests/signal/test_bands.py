import numpy as np
import pytest
import torch

from audioae.signal import bands
from audioae.signal.stft import BIN_HZ, hop_length

RATES = [8000, 16000, 24000, 44100, 48000, 96000, 192000]


@pytest.mark.parametrize("rate", RATES)
def test_weights_share_out_every_bin(rate: int) -> None:
    table = bands.weights(hop_length(rate) + 1)
    assert torch.allclose(table.sum(1), torch.ones(len(table)))
    assert (table >= 0).all()


def test_identity_below_two_kilohertz_and_erb_like_above() -> None:
    centres = np.array(bands.centres())
    low = centres[centres < 1990]
    assert np.allclose(np.diff(low), BIN_HZ)
    high = centres[centres > 2100]
    # Glasberg & Moore's equivalent rectangular bandwidth grows with frequency, and so does the distance of the bands.
    distance, erb = np.diff(high), 24.7 * (4.37e-3 * high[:-1] + 1)
    assert (np.diff(distance) > 0).all()
    assert (distance / erb).std() < 0.05 * (distance / erb).mean()


def test_a_band_means_the_same_at_every_rate() -> None:
    wide = bands.averages(hop_length(48000) + 1)
    narrow = bands.averages(hop_length(16000) + 1)
    inner = narrow.shape[1] - 2  # the last bands of the narrow one reach beyond its Nyquist frequency
    assert torch.allclose(wide[: len(narrow), :inner], narrow[:, :inner], atol=1e-6)


def test_bands_above_the_nyquist_frequency_are_absent() -> None:
    counts = [bands.count(hop_length(rate) + 1) for rate in RATES]
    assert counts == sorted(counts)
    for rate, count in zip(RATES, counts, strict=True):
        assert bands.centres()[count - 1] <= rate / 2 * 1.004
