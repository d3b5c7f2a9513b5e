"""Clipping is repaired in several windows at a time, each with its own rails, alike in any chunks."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import audioae
from audioae.runtime.repairs import WINDOWS_AT_A_TIME, Restoring, Untouched
from audioae.signal.damage import Damage, DamageFinder

RATE, SECONDS = 16_000, 2 * WINDOWS_AT_A_TIME + 1


@pytest.fixture(scope="module")
def clipped() -> tuple[np.ndarray, Damage]:
    """Two channels that are clipped more from second to second, but for the second one, and what was found."""
    speech, _ = soundfile.read(Path(__file__).parents[2] / "samples/clean/16k-rooster.flac", dtype="float32")
    wave = np.stack([np.resize(speech, SECONDS * RATE), np.resize(speech[::-1], SECONDS * RATE)])
    wave /= np.abs(wave).max()
    for second in range(SECONDS):
        part = wave[:, second * RATE : (second + 1) * RATE]
        rail = 1.0 if second == 1 else float(np.quantile(np.abs(part), 1 - 0.02 * (1 + second)))
        np.clip(part, -0.8 * rail, rail, out=part)
    wave = (np.round(wave * 32768) / 32768).clip(-1, 32767 / 32768).astype(np.float32)
    finder = DamageFinder(RATE, 2)
    finder.feed(wave.T)
    return wave, finder.finish().only(["clipping"])


def restored(wave: np.ndarray, damage: Damage, block: int) -> np.ndarray:
    restoring = Restoring(damage, Untouched())
    parts = [restoring.feed_wave(wave[None, :, at : at + block]) for at in range(0, wave.shape[1], block)]
    return np.concatenate([*parts, restoring.flush_wave()], axis=-1)[0]


@pytest.mark.parametrize("block", [1600, 15_999, 50_000])
def test_chunks_equal_the_whole(clipped: tuple[np.ndarray, Damage], block: int) -> None:
    wave, damage = clipped
    assert np.array_equal(restored(wave, damage, block), restored(wave, damage, wave.shape[1]))


def test_samples_change_where_they_are_at_the_rail_of_their_window_only(clipped: tuple[np.ndarray, Damage]) -> None:
    wave, damage = clipped
    made = restored(wave, damage, RATE)
    assert made.shape == wave.shape
    for second in range(SECONDS):
        part = slice(second * RATE, (second + 1) * RATE)
        for old, new, (upper, lower) in zip(wave[:, part], made[:, part], damage.rails[second], strict=True):
            inside = (old < upper - 1e-4) & (old > -lower + 1e-4)
            assert np.array_equal(old[inside], new[inside])
            assert (np.abs(new[~inside]) >= np.abs(old[~inside]) - 2e-4).all()
            assert second == 1 or (np.isfinite([upper, lower]).any() and (old != new).any())


@pytest.fixture(scope="module")
def narrow_and_clipped() -> np.ndarray:
    speech, _ = soundfile.read(Path(__file__).parents[2] / "samples/clean/16k-rooster.flac", dtype="float32")
    wave = speech[: 5 * RATE]
    spectrum = np.fft.rfft(wave)
    spectrum[round(4000 * len(wave) / RATE) :] = 0
    wave = np.fft.irfft(spectrum, len(wave))
    rail = np.quantile(np.abs(wave), 0.97)
    return (np.round(wave.clip(-rail, rail) * 32768) / 32768).astype(np.float32)


def test_a_band_that_was_limited_before_clipping_is_added_after_its_repair(narrow_and_clipped: np.ndarray) -> None:
    wave = narrow_and_clipped
    assert [each.kind for each in audioae.find_damage(wave, RATE).findings] == ["clipping", "bandwidth"]
    together = np.asarray(audioae.restore(wave, RATE))
    clipping = np.asarray(audioae.restore(wave, RATE, only=["clipping"]))
    band = together - clipping
    power = np.square(np.abs(np.fft.rfft(band)))
    above = np.fft.rfftfreq(len(band), 1 / RATE) > 3900
    assert power[above].sum() > 100 * power[~above].sum()
    # Without clipping in between, so that the copies are of speech.
    alone = np.asarray(audioae.restore(clipping, RATE, only=["bandwidth"])) - clipping
    assert np.square(band - alone).sum() < 0.1 * np.square(alone).sum()
    assert np.square(clipping[np.abs(wave) >= np.abs(wave).max() - 1e-4]).mean() > 1.2 * np.square(wave).max()
