"""``audioae denoise --vad``: correct and wrong use."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click import Choice, Context
from click.testing import CliRunner, Result

import audioae
from audioae.audio.speech_files import SPEECH_ENDINGS
from audioae.cli.app import main
from audioae.runtime.jobs import Job

FAST = ("-m", "conv1d_dae")


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["denoise", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def spoken(tmp_path: Path, samples: Path) -> Path:
    """A sentence between two seconds of near silence."""
    wave, rate = soundfile.read(samples / "clean/16k-fire.flac")
    quiet = 1e-4 * np.random.default_rng(0).normal(size=2 * rate)
    path = tmp_path / "two words.wav"
    soundfile.write(path, np.concatenate([quiet, wave, quiet]), rate)
    return path


def test_the_file_has_the_segments_of_the_function_whatever_the_strength(spoken: Path, tmp_path: Path) -> None:
    wave, rate = soundfile.read(spoken, dtype="float32")
    expected = audioae.speech_segments(wave, rate, "conv1d_dae")
    assert expected and 1.9 < expected[0].start < 2.3
    plain, report = tmp_path / "plain.wav", tmp_path / "report.json"
    for number, options in enumerate([(), ("--mix", "0"), ("--atten-limit", "6"), ("--jobs", "2")]):
        out, vad = tmp_path / f"{number}.wav", tmp_path / f"{number}.json"
        said = run(spoken, "-o", out, "--vad", vad, "--report", report, "--overwrite", *FAST, *options).output
        made = json.loads(vad.read_text())
        assert [(each["start"], each["end"]) for each in made["segments"]] == [pytest.approx(s, abs=0.002) for s in expected]
        assert made["file"] == spoken.name and made["seconds"] == pytest.approx(len(wave) / rate, abs=1e-3)
        total = sum(end - start for start, end in expected)
        assert json.loads(report.read_text())[0]["speech"] == pytest.approx(total, abs=0.01) and "s of speech" in said
        run(spoken, "-o", plain, "--overwrite", *FAST, *options)
        assert np.abs(soundfile.read(out)[0] - soundfile.read(plain)[0]).max() < 1e-4


@pytest.mark.parametrize("ending", ["csv", "rttm", "srt", "JSON"])
def test_the_ending_determines_the_format(spoken: Path, tmp_path: Path, ending: str) -> None:
    vad = tmp_path / f"speech.{ending}"
    run(spoken, "-o", tmp_path / "out.wav", "--vad", vad, *FAST)
    text = vad.read_text()
    starts = {"csv": "start,end\n", "rttm": "SPEAKER two_words 1 ", "srt": "1\n00:00:0", "JSON": '{"file": "two words.wav"'}
    assert text.startswith(starts[ending])


def test_a_folder_has_a_file_for_each_recording(noisy: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    for name in ("in/a.wav", "in/a.flac", "in/deep/b.wav"):
        noisy(name, seconds=1.0)
    common = (tmp_path / "in", "--recursive", *FAST)
    run(*common, "-o", tmp_path / "out", "--vad", tmp_path / "vad", "--jobs", "2")
    found = sorted(p.relative_to(tmp_path / "vad").as_posix() for p in (tmp_path / "vad").rglob("*.*"))
    assert found == ["a.flac.json", "a.wav.json", "deep/b.wav.json"]
    run(*common, "-o", tmp_path / "again", "--vad", tmp_path / "vad", "--vad-format", "csv")
    assert list(csv.DictReader((tmp_path / "vad/deep/b.wav.csv").open()))
    refused = run(*common, "-o", tmp_path / "more", "--vad", tmp_path / "speech.json", code=2).output
    assert "names one file, but there are several" in refused


def test_resume_writes_missing_files(noisy: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.wav", "in/b.wav"):
        noisy(name, seconds=0.5)
    command = (tmp_path / "in", "-o", tmp_path / "out", "--vad", tmp_path / "vad", "--resume", *FAST)
    run(*command)
    assert "2 of 2 recordings are already done" in run(*command).output
    (tmp_path / "vad/a.wav.json").unlink()
    assert "1 of 2 recordings are already done" in run(*command).output
    assert (tmp_path / "vad/a.wav.json").is_file()


def test_existing_files_are_kept(spoken: Path, tmp_path: Path) -> None:
    vad, out = tmp_path / "speech.json", tmp_path / "out.wav"
    vad.write_text("mine")
    assert "speech.json: is there already: use --overwrite" in run(spoken, "-o", out, "--vad", vad, *FAST, code=1).output
    assert vad.read_text() == "mine" and not out.exists()
    run(spoken, "-o", out, "--vad", vad, "--overwrite", *FAST)
    assert json.loads(vad.read_text())["segments"]
    assert not list(tmp_path.glob(".audioae-*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vad", "speech.txt"), "speech.txt: --vad writes .json, .csv, .rttm, .srt"),
        (("--vad", "a.csv", "--vad-format", "srt"), "a.csv: its ending is not that of --vad-format srt"),
        (("--vad-format", "srt"), "--vad-format needs --vad"),
        (("--vad", "-"), "only the result itself can go to standard output"),
    ],
)
def test_mistakes_are_reported_before_anything_is_read(spoken: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in run(spoken, *arguments, code=2).output


def test_a_rate_that_cannot_be_cleaned_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "low.wav", np.zeros(100), 100)
    output = run(tmp_path / "low.wav", "-o", tmp_path / "out.wav", "--vad", tmp_path / "speech.json", code=1).output
    assert "low.wav: sample rate 100 Hz is not supported" in output


def test_formats_of_the_option_are_those_of_files() -> None:
    command = main.get_command(Context(main), "denoise")
    (choices,) = (each.type for each in (command.params if command else ()) if each.name == "vad_format")
    assert isinstance(choices, Choice) and {f".{choice}" for choice in choices.choices} == set(SPEECH_ENDINGS)


def test_a_missing_folder_is_named(spoken: Path, tmp_path: Path) -> None:
    vad = tmp_path / "nowhere/speech.json"
    assert "there is no folder" in run(spoken, "-o", tmp_path / "out.wav", "--vad", vad, *FAST, code=1).output


def test_workers_of_a_cluster_get_the_path_too() -> None:
    job = Job(Path("a.wav"), Path("b.wav"), speech=Path("c.json"))
    assert job.outputs == [Path("b.wav"), Path("c.json")]
