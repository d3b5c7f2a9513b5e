"""Rails that are not exact are found: soft clipping, and clipping before a lossy codec. Other sounds have none."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from audioae.signal.bandwidth import BandwidthFinder
from audioae.signal.damage import Damage, DamageFinder

RATE = 16_000
Wave = NDArray[np.float32]


@pytest.fixture(scope="module")
def speech() -> Wave:
    wave, _ = soundfile.read(Path(__file__).parents[2] / "samples/clean/16k-rooster.flac", dtype="float32")
    return wave


def found(wave: Wave, block: int = 7919) -> Damage:
    finder = DamageFinder(RATE, 1)
    for start in range(0, len(wave), block):
        finder.feed(wave[start : start + block, None])
    return finder.finish()


def coded(wave: Wave) -> Wave:
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format="OGG", subtype="VORBIS")
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_clipping_before_a_lossy_codec_is_found(speech: Wave, share: float) -> None:
    rail = float(np.quantile(np.abs(speech), 1 - share))
    rails = found(coded(speech.clip(-rail, rail))).rails
    assert np.isfinite(rails).mean() > 0.8
    assert np.allclose(rails[np.isfinite(rails)], 0.8 * rail, rtol=0.15)


def test_soft_clipping_is_found(speech: Wave) -> None:
    level = float(np.quantile(np.abs(speech), 0.83))
    assert np.isfinite(found((level * np.tanh(speech / level)).astype(np.float32)).rails).mean() > 0.8


def test_where_a_rail_is_exact_no_other_is_looked_for(speech: Wave) -> None:
    rail = float(np.quantile(np.abs(speech), 0.9))
    rails = found(speech.clip(-rail, rail)).rails
    assert np.allclose(rails[np.isfinite(rails)], rail)


@pytest.mark.parametrize("block", [160, 16_000, 50_000])
def test_blocks_do_not_matter(speech: Wave, block: int) -> None:
    rail = float(np.quantile(np.abs(speech), 0.8))
    wave = coded(speech.clip(-rail, rail))
    assert np.array_equal(found(wave, block).rails, found(wave).rails)


def test_tones_noise_and_constants_are_not_clipped() -> None:
    time, rng = np.arange(12 * RATE) / RATE, np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 440.3 * time)
    sounds = {
        "tone": tone,
        "beeps": tone * ((5 * time) % 1 < 0.5),
        "tremolo": tone * (1 + 0.2 * np.sin(2 * np.pi * 5 * time)),
        "decay": tone * np.exp(-3 * ((2 * time) % 1)),
        "two tones": tone + np.sin(2 * np.pi * 1209 * time),
        "noise": rng.normal(size=len(time)) / 4,
        "uniform noise": rng.uniform(-1, 1, len(time)),
        "constant": np.where(time < 5, 0.3, 0.0) + 0.001 * rng.normal(size=len(time)),
    }
    for name, sound in sounds.items():
        assert not found((0.4 * sound).astype(np.float32)).is_clipped, name


def test_the_edge_of_a_band_is_found_behind_clipping(speech: Wave) -> None:
    spectrum = np.fft.rfft(speech)
    spectrum[round(4000 * len(speech) / RATE) :] = 0
    narrow = np.fft.irfft(spectrum, len(speech))
    for share in (0.01, 0.1, 0.2):
        for wave, missing in ((narrow, True), (speech, False)):
            rail = np.quantile(np.abs(wave), 1 - share)
            finder = BandwidthFinder(RATE)
            finder.feed((np.round(wave.clip(-rail, rail) * 32768) / 32768).astype(np.float32)[:, None])
            edge = finder.finish()
            assert (edge is not None and abs(edge - 4000) < 150) if missing else edge is None
