"""The limiter keeps true peaks below the ceiling, and everything else as it is."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from audioae.signal.limiter import Limiter, Wave, true_peaks


def limit(wave: Wave, rate: int, ceiling: float = -1.0, cuts: list[int] | None = None) -> Wave:
    limiter = Limiter(rate, wave.shape[1], ceiling)
    parts = [limiter.feed(part) for part in np.split(wave, sorted(cuts or []))]
    return np.concatenate([*parts, limiter.flush()])


def true_peak(wave: Wave) -> float:
    """True peak by another oversampling filter."""
    return float(np.abs(scipy.signal.resample_poly(wave.astype(np.float64), 16, 1)).max())


def speechlike(rate: int, seconds: float = 0.5, channels: int = 2) -> Wave:
    random = np.random.default_rng(3)
    samples = int(seconds * rate)
    band = scipy.signal.butter(8, min(0.42 * rate, 20_000), fs=rate, output="sos")
    sound = scipy.signal.sosfilt(band, random.normal(0, 0.5, (samples, channels)), axis=0)
    loud = np.interp(np.arange(samples) / 400, np.arange(samples // 400 + 2), random.random(samples // 400 + 2))
    return (sound * loud[:, None] ** 4).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("gain", [1.0, 10.0])
def test_true_peaks_stay_below_the_ceiling(rate: int, gain: float) -> None:
    wave = speechlike(rate)
    wave *= 2 * gain / true_peak(wave)
    made = limit(wave, rate)
    assert made.shape == wave.shape and true_peak(made) <= 10 ** (-1 / 20)


def test_peaks_between_samples_are_seen() -> None:
    """EBU Tech 3341, cases 15 to 23: a quarter of the rate at a phase of 45 degrees has peaks 3 dB above its samples."""
    wave = (0.5 * np.sqrt(2) * np.sin(np.pi * (np.arange(4800) / 2 + 0.25))).astype(np.float32)[:, None]
    assert np.abs(wave).max() == pytest.approx(0.5, abs=1e-4)
    assert true_peaks(wave, 48000)[100:-100].max() == pytest.approx(0.7071, abs=0.005)


def test_what_is_below_the_ceiling_stays_exactly() -> None:
    wave = speechlike(48000)
    wave *= 0.8 / true_peak(wave)
    assert np.array_equal(limit(wave, 48000), wave)
    wave[12000] = 3.0
    made = limit(wave, 48000)
    assert np.array_equal(made[:11000], wave[:11000])
    assert np.allclose(made[-1000:], wave[-1000:], rtol=0.1)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 9600), max_size=6))
def test_chunks_equal_the_whole(cuts: list[int]) -> None:
    wave = 3 * speechlike(48000, 0.2)
    assert np.allclose(limit(wave, 48000, cuts=cuts), limit(wave, 48000), atol=1e-6)


def test_channels_keep_their_balance_and_short_waves_their_length() -> None:
    wave = speechlike(48000, 0.3, 1)
    both = limit(np.concatenate([4 * wave, wave], 1), 48000)
    assert np.allclose(both[:, 0], 4 * both[:, 1], atol=1e-6)
    for length in (0, 1, 30, 479):
        assert limit(wave[:length], 48000).shape == (length, 1)
