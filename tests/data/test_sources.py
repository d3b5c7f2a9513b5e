"""Recordings of any name are found, and cached with 16 bits of their own peak."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioae.data import sources
from audioae.data.sources import AudioCache, Clip, find, list_files
from audioae.errors import DataError

RATE = 16_000
NASTY = ["a [b] *?", "#1", 'it\'s, "x": {y}', "two\nlines", " spaces ", "$HOME ~ %d", "[a-z]", "ünï—ć"]


def speech(samples: Path) -> np.ndarray:
    return soundfile.read(samples / "clean/16k-fire.flac", dtype="float32")[0]


@pytest.mark.parametrize("peak_db", [0.0, 6.0, -20.0, -60.0, -100.0])
def test_a_recording_keeps_16_bits_of_its_own_peak(samples: Path, tmp_path: Path, peak_db: float) -> None:
    wave = speech(samples)
    wave *= 10 ** (peak_db / 20) / np.abs(wave).max()
    soundfile.write(tmp_path / "a.wav", wave, RATE, "FLOAT")
    kept = AudioCache(10).crop(Clip(tmp_path / "a.wav", RATE, len(wave)), RATE, 0, len(wave) / RATE)
    error = kept.astype(np.float64) - wave
    # Noise of steps of 2 ** -15 of the peak, evenly spread over a step.
    expected = 10 * np.log10(np.mean((wave / np.abs(wave).max()) ** 2) / (2.0**-30 / 12))
    assert 10 * np.log10(np.mean(wave.astype(np.float64) ** 2) / np.mean(error**2)) == pytest.approx(expected, abs=0.5)


def test_silence_stays_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), RATE)
    assert not AudioCache(10).crop(Clip(tmp_path / "a.wav", RATE, 100), RATE, 0, 1).any()


@pytest.mark.parametrize("kind", ["ogg", "mp3", "flac", "wav"])
@pytest.mark.parametrize("long", [False, True])
def test_recordings_that_were_joined_in_a_file_are_all_used(
    tmp_path: Path, kind: str, long: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "WHOLE_SECONDS", 0.5 if long else 60.0)
    rng = np.random.default_rng(0)
    for number, level in enumerate((0.01, 0.3)):
        soundfile.write(tmp_path / f"{number}.{kind}", rng.normal(0, level, RATE), RATE)
    (tmp_path / "in").mkdir()
    path = tmp_path / f"in/a.{kind}"
    path.write_bytes(b"".join((tmp_path / f"{number}.{kind}").read_bytes() for number in range(2)))
    (clip,) = find([str(tmp_path / "in")], 0).clips
    assert clip.seconds == pytest.approx(2, abs=0.2)
    cache = AudioCache(10)
    for _ in range(2):
        quiet, loud = (cache.crop(clip, RATE, start, 0.5) for start in (0.3, 1.4))
        assert len(quiet) == len(loud) == RATE // 2 and quiet.std() < 0.02 < 0.2 < loud.std()


@pytest.mark.parametrize("name", NASTY)
def test_any_folder_can_be_named_and_searched(tmp_path: Path, name: str) -> None:
    files = [tmp_path / name / f"{stem}.wav" for stem in ("a", name)]
    files[0].parent.mkdir()
    (tmp_path / "b").mkdir()  # matches the pattern `[a-z]`
    for file in (*files, tmp_path / "b/a.wav"):
        soundfile.write(file, np.zeros(10), RATE)
    assert set(list_files([str(tmp_path / name)])) == set(files)
    assert list_files([str(files[1])]) == [files[1]]
    assert set(list_files([str(tmp_path / name / "*.wav")])) == set(files)
    assert set(list_files([str(tmp_path / name / "**" / "*.wav")])) == set(files)
    with pytest.raises(DataError, match="no audio found there"):
        list_files([str(tmp_path / name / "*.flac")])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_files_that_can_be_read_once_only_are_named(samples: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "list.csv").write_text(f"file\npipe.wav\n{samples}/clean/16k-fire.flac\n")
    found = find([str(tmp_path / "list.csv")], 0.5)
    assert [clip.path.name for clip in found.clips] == ["16k-fire.flac"]
    assert "pipe.wav: is a pipe or a device, which cannot be read again" in found.skipped[0][1]


def test_a_pattern_is_literal_if_a_folder_has_its_name(tmp_path: Path) -> None:
    for folder in "abc":
        (tmp_path / folder).mkdir()
        soundfile.write(tmp_path / folder / "x.wav", np.zeros(10), RATE)
    assert list_files([str(tmp_path / "[ab]" / "*.wav")]) == [tmp_path / "a/x.wav", tmp_path / "b/x.wav"]
    assert list_files([str(tmp_path / "[ab]")]) == [tmp_path / "a/x.wav", tmp_path / "b/x.wav"]
