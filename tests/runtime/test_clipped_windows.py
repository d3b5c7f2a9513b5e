"""Clipping is repaired in several windows at a time, each with its own rails, alike in any chunks."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

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
