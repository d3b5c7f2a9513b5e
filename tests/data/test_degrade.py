"""Filters equal recursive filters, and noise takes the spectrum of another noise."""

import numpy as np
import pytest
import torch
import torchaudio.functional as effects
from scipy.signal import butter, sosfilt, welch

from audioae.data import degrade
from audioae.data.noises import spliced

RATES = [8000, 16000, 44100, 192000]


def noise(rate: int, seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1e-3, round(seconds * rate)).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
def test_filters_are_those_of_torchaudio_sample_by_sample(rate: int) -> None:
    wave = noise(rate)
    shelf = effects.bass_biquad(torch.from_numpy(wave).double(), rate, 14.0, 90.0).numpy()
    assert np.abs(degrade.bass(wave, rate, 14.0, 90.0) - shelf).max() < 1e-4 * np.abs(shelf).max()
    rng = np.random.default_rng(3)
    gains, low, high = rng.uniform(-12, 12, 3), rng.uniform(80, 400), rng.uniform(0.15, 0.4) * rate
    x = effects.bass_biquad(torch.from_numpy(wave).double(), rate, gains[0], low)
    x = effects.treble_biquad(x, rate, gains[1], high)
    peak = float(np.exp(rng.uniform(np.log(200), np.log(0.4 * rate))))
    curve = effects.equalizer_biquad(x, rate, peak, gains[2], rng.uniform(0.4, 2.0)).numpy()
    assert np.abs(degrade.tone(np.random.default_rng(3), wave, rate, 12.0) - curve).max() < 1e-4 * np.abs(curve).max()


@pytest.mark.parametrize("rate", RATES)
def test_the_high_pass_is_a_butterworth_filter(rate: int) -> None:
    wave = noise(rate)
    expected = sosfilt(butter(2, 60.0, "high", fs=rate, output="sos"), wave.astype(np.float64))
    assert np.abs(degrade.high_pass(wave, rate, 60.0) - expected).max() < 1e-3 * np.abs(expected).max()


def test_recoloured_noise_keeps_its_envelope_in_time() -> None:
    rate = 16000
    wave = noise(rate, 4) * np.repeat([1.0, 0.05, 1.0, 0.05], rate).astype(np.float32)
    other = degrade.tone(np.random.default_rng(1), noise(rate, 4, seed=1), rate, 12.0)
    made = degrade.tone_of(wave, other, rate)

    def bands(x: np.ndarray) -> np.ndarray:
        hz, power = welch(x, rate, nperseg=1024)
        levels = [10 * np.log10(power[(hz >= f) & (hz < 1.4 * f)].mean()) for f in (150, 300, 600, 1200, 2400, 4800)]
        return np.array(levels) - np.mean(levels)

    assert np.abs(bands(made) - bands(other)).max() < 1.5 < np.abs(bands(wave) - bands(other)).max()
    loud, quiet = (np.sqrt(np.mean(np.square(made[second * rate + 800 : (second + 1) * rate - 800]))) for second in (0, 1))
    assert loud > 15 * quiet


@pytest.mark.parametrize("silent", [0, 1])
def test_recolouring_silence_is_finite(silent: int) -> None:
    sides = [noise(16000), noise(16000)]
    sides[silent] = np.zeros_like(sides[silent])
    made = degrade.tone_of(sides[0], sides[1], 16000)
    assert np.isfinite(made).all() and made.any() == (silent == 1)


def test_a_splice_is_a_crossfade_of_two_noises() -> None:
    one, other = np.ones(16000, np.float32), -np.ones(16000, np.float32)

    def changed(wave: np.ndarray) -> int:
        return int(np.count_nonzero(np.abs(np.abs(wave) - 1) > 1e-6))

    for seed in range(20):
        wave = spliced(np.random.default_rng(seed), one, other, 16000)
        assert wave[0] == 1 or changed(wave) < 8001
        assert changed(wave) <= 8001 and np.abs(wave).max() <= 1.0001
        assert (np.diff(wave) <= 1e-6).all()
