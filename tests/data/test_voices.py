"""Voice augmentations change the property in their name, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate, lfilter, welch

from audioae.data import degrade, voices

RATE = 16_000


def vowel(pitch: float, formants: tuple[float, ...] = (600.0, 1200.0, 2600.0), seconds: float = 2.0) -> np.ndarray:
    """Pulses through resonances of 80 Hz bandwidth."""
    pulses = np.diff(np.floor(np.arange(round(seconds * RATE) + 1) * pitch / RATE))
    for hz in formants:
        radius = np.exp(-np.pi * 80 / RATE)
        pulses = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * hz / RATE), radius**2], pulses)
    return (0.1 * pulses / np.abs(pulses).max()).astype(np.float32)


def pitch_of(wave: np.ndarray) -> float:
    middle = wave[len(wave) // 2 :][: RATE // 4].astype(np.float64)
    lags = correlate(middle, middle)[len(middle) - 1 :]
    return RATE / (60 + int(lags[60:400].argmax()))


def centre_of(wave: np.ndarray) -> float:
    """Centre of gravity of the spectrum in octaves."""
    hz, power = welch(wave, RATE, nperseg=1024)
    inside = (hz > 300) & (hz < 4000)
    return float((np.log2(hz[inside]) * power[inside]).sum() / power[inside].sum())


@pytest.mark.parametrize("ratio", [0.8, 1.25])
def test_formants_move_and_the_pitch_stays(ratio: float) -> None:
    before = vowel(120)
    after = voices.moved_formants(before, RATE, ratio)
    assert len(after) == len(before)
    assert pitch_of(after) == pytest.approx(pitch_of(before), rel=0.02)
    assert centre_of(after) - centre_of(before) == pytest.approx(np.log2(ratio), abs=0.15)


@pytest.mark.parametrize("speed", [0.7, 1.6])
def test_speed_with_opposite_formants_shifts_the_pitch_alone(speed: float) -> None:
    before = vowel(130)
    after = voices.moved_formants(degrade.at_speed(before, speed), RATE, 1 / speed)
    assert pitch_of(after) == pytest.approx(speed * pitch_of(before), rel=0.03)
    assert centre_of(after) == pytest.approx(centre_of(before), abs=0.2)


def test_a_formant_ratio_of_one_changes_nothing() -> None:
    wave = vowel(120)
    assert np.abs(voices.moved_formants(wave, RATE, 1.0) - wave).max() < 1e-5


def test_a_varying_speed_keeps_its_mean() -> None:
    time = np.arange(8 * RATE) / RATE
    tone = (0.1 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    glided = voices.gliding(np.random.default_rng(1), tone, RATE, 1.3, 0.2)
    assert len(glided) == pytest.approx(len(tone) / 1.3, rel=0.15)
    crossings = np.flatnonzero((glided[:-1] < 0) & (glided[1:] >= 0))
    pitch = RATE / np.diff(crossings)
    assert 2 ** np.log2(pitch).mean() == pytest.approx(1.3 * 440, rel=0.15)
    assert 0.08 < np.log2(pitch).std() < 0.35


def test_a_whisper_keeps_the_envelope_without_pitch(samples: Path) -> None:
    speech, _ = soundfile.read(samples / "clean" / "16k-rain.flac", dtype="float32")
    whisper = voices.whispered(np.random.default_rng(0), speech, RATE)
    assert len(whisper) == len(speech)

    def loudness(wave: np.ndarray) -> np.ndarray:
        high = wave - lfilter([0.1], [1, -0.9], wave)
        return np.log10(np.square(high[: len(high) // 400 * 400]).reshape(-1, 400).mean(1) + 1e-8)

    assert np.corrcoef(loudness(speech), loudness(whisper))[0, 1] > 0.7
    voiced = vowel(120)
    hz = np.fft.rfftfreq(RATE, 1 / RATE)

    def periodicity(wave: np.ndarray) -> float:
        power = np.square(np.abs(np.fft.rfft(wave[:RATE] * np.hanning(RATE))))
        on = np.abs(hz / 120 - np.round(hz / 120)) < 0.05
        inside = (hz > 500) & (hz < 1500)
        return float(power[on & inside].sum() / power[inside].sum())

    assert periodicity(voiced) > 0.9
    assert periodicity(voices.whispered(np.random.default_rng(0), voiced, RATE)) < 0.3


def test_a_raised_voice_has_attenuated_low_frequencies() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    hz, before = welch(noise, RATE, nperseg=2048)
    after = welch(voices.raised_voice(np.random.default_rng(1), noise, RATE, 15.0), RATE, nperseg=2048)[1]
    change = 10 * np.log10(after / before)
    assert -16 < change[(hz > 50) & (hz < 200)].mean() < -3
    assert abs(change[hz > 5000].mean()) < 1


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_first_word_begins_with_the_first_sample(rate: int) -> None:
    hop = rate // 100
    wave = np.zeros(3 * rate, np.float32)
    wave[: rate // 4] = 0.1  # the middle of a word
    word = slice(50 * hop, 120 * hop)
    wave[word] = 0.2
    found = voices.from_first_word(np.random.default_rng(0), wave, rate)
    assert len(found) == len(wave)
    assert np.array_equal(found[: len(wave) - word.start], wave[word.start :]) and not found[len(wave) - word.start :].any()
    # No first word: no pause, a pause that is too short, silence, and an empty wave.
    short = np.ones(rate, np.float32)
    short[20 * hop : 30 * hop] = 0
    for other in (np.ones(rate, np.float32), short, np.zeros(rate, np.float32), np.zeros(0, np.float32)):
        assert np.array_equal(voices.from_first_word(np.random.default_rng(0), other, rate), other)
