"""Cleaning keeps tags and chunks around the sound, and reports those that it could not keep."""

import os
from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

import audioae
from audioae.cli.app import main
from audioae.runtime.files import BLOCK_SAMPLES, denoise_file
from audioae.runtime.jobs import DenoiseOptions


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def denoise(*arguments: object) -> tuple[int, str]:
    made = CliRunner().invoke(main, ["denoise", "--model", "conv1d_dae", *map(str, arguments)])
    return made.exit_code, made.output


def test_an_mp3_becomes_a_wav_and_an_mp3_of_its_bit_rate_or_another(noisy: Callable[..., Path], tmp_path: Path) -> None:
    wave, rate = soundfile.read(noisy("a.wav"))
    source = tmp_path / "a.mp3"
    with soundfile.SoundFile(source, "w", rate, 1, compression_level=0.25, bitrate_mode="CONSTANT") as file:
        file.write(wave)
    for name, options in (("b.wav", ()), ("b.mp3", ()), ("c.mp3", ("--bitrate", 40))):
        code, said = denoise(source, "-o", tmp_path / name, *options)
        assert code == 0, said
        assert soundfile.info(tmp_path / name).frames == len(wave)
    rates = [round(mutagen.File(tmp_path / name).info.bitrate, -3) for name in ("a.mp3", "b.mp3", "c.mp3")]
    assert rates == [rates[0], rates[0], 40000]
    code, said = denoise(source, "-o", tmp_path / "d.mp3", "--bitrate", 500)
    assert code == 1 and "has 8 to 160 kbit/s, not 500: choose another --bitrate" in said
    assert not (tmp_path / "d.mp3").exists()


def test_tags_that_a_container_cannot_hold_are_reported(noisy: Callable[..., Path], tmp_path: Path) -> None:
    source = noisy("a.flac")
    file = mutagen.File(source)
    file["title"] = "Interview"
    file.save()
    code, said = denoise(source, "-o", tmp_path / "b.au", "--report", tmp_path / "r.json")
    assert code == 0 and f"warning: {source}: AU has no place for title: left out" in said
    assert "AU has no place for title" in (tmp_path / "r.json").read_text()


def test_joined_recordings_are_cleaned_whole(noisy: Callable[..., Path], tmp_path: Path) -> None:
    content = noisy("a.flac").read_bytes() + noisy("b.flac", seconds=1.0).read_bytes()
    (tmp_path / "c.flac").write_bytes(content)
    code, said = denoise(tmp_path / "c.flac", "-o", tmp_path / "d.flac")
    assert code == 0 and "2 concatenated recordings in the file become one" in said
    assert soundfile.info(tmp_path / "d.flac").frames == 48000


def test_a_recording_whose_header_was_never_completed(noisy: Callable[..., Path], tmp_path: Path) -> None:
    source = noisy("a.wav")
    content = bytearray(source.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = content[4:8] = bytes(4)
    source.write_bytes(content)
    code, said = denoise(source, "-o", tmp_path / "b.wav")
    assert code == 1 and "states a length of zero" in said and "--salvage" in said
    code, said = denoise(source, "-o", tmp_path / "b.wav", "--salvage")
    assert code == 0 and soundfile.info(tmp_path / "b.wav").frames == 32000


def test_blocks_of_many_channels_are_short(tmp_path: Path) -> None:
    channels, frames = 1024, 5000
    wave = np.random.default_rng(0).normal(0, 0.05, (frames, channels)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 8000, "FLOAT")
    longest = []
    denoise_file(
        audioae.load("conv1d_dae"), tmp_path / "a.wav", tmp_path / "b.wav", DenoiseOptions(mix=0.0),
        progress=lambda done, frames, rate: longest.append(done),
    )  # fmt: skip
    assert max(np.diff([0, *longest])) <= BLOCK_SAMPLES // channels
    assert np.abs(soundfile.read(tmp_path / "b.wav")[0] - wave).max() < 1e-6
