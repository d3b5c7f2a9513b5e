"""Synthetic noise has the spectrum of its name."""

import numpy as np
import pytest

from audioae.data import noises


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_banded_noise_is_within_its_band(rate: int) -> None:
    lows = []
    for seed in range(40):
        wave = noises.banded(np.random.default_rng(seed), rate, rate)
        assert wave.shape == (rate,)
        assert np.sqrt(np.square(wave).mean()) == pytest.approx(1, abs=1e-3)
        power = np.square(np.abs(np.fft.rfft(wave)))
        smooth = np.convolve(power, np.ones(5) / 5, "same")
        inside = np.flatnonzero(smooth > 1e-3 * smooth.max())
        low, high = np.percentile(inside, [1, 99])
        assert 1.0 < high / low < 4.6
        lows.append(low)
    assert min(lows) < 400 and max(lows) > 0.2 * rate


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_rumble_lies_below_the_voice(rate: int) -> None:
    power = np.square(np.abs(np.fft.rfft(noises.rumble(np.random.default_rng(0), 4 * rate, rate))))
    assert power[4 * 100 :].sum() < 1e-2 * power.sum()
