"""``audioae denoise``: correct and wrong use."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from audioae.cli.app import main
from audioae.nn.strength import FOR_ASR


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["denoise", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_one_file_beside_the_input_and_never_over_it(noisy: Callable[..., Path], tmp_path: Path) -> None:
    source = noisy("talk.flac")
    result = run(source)
    assert (tmp_path / "talk.clean.flac").is_file() and "talk.clean.flac: 2.0 s in" in result.output
    before = (tmp_path / "talk.clean.flac").read_bytes()
    assert "use --overwrite" in run(source, code=1).output
    run(source, "--overwrite")
    assert (tmp_path / "talk.clean.flac").read_bytes() == before
    for other in (source, tmp_path / "." / "talk.flac"):
        assert "is the input itself" in run(source, "-o", other, "--overwrite", code=1).output
    (tmp_path / "link.flac").symlink_to(source)
    assert "is the input itself" in run(source, "-o", tmp_path / "link.flac", "--overwrite", code=1).output


def test_folders_keep_names_and_recursion_keeps_the_tree(noisy: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    for name in ("in/a.wav", "in/b.flac", "in/deep/c.wav"):
        noisy(name, seconds=0.5)
    (tmp_path / "in/notes.txt").write_text("not audio")
    run(tmp_path / "in", "-o", tmp_path / "flat")
    assert sorted(p.name for p in (tmp_path / "flat").rglob("*")) == ["a.wav", "b.flac"]
    run(tmp_path / "in", "-o", tmp_path / "tree", "--recursive", "--save-removed", tmp_path / "gone")
    for folder in ("tree", "gone"):
        files = sorted(p.relative_to(tmp_path / folder).as_posix() for p in (tmp_path / folder).rglob("*.*"))
        assert files == ["a.wav", "b.flac", "deep/c.wav"]
    run(tmp_path / "in", tmp_path / "in/deep/*.wav")
    assert (tmp_path / "in/deep/c.clean.wav").is_file()
    # Results of that run are not cleaned again, and an output folder within the input is left out.
    run(tmp_path / "in", "-o", tmp_path / "in/out", "--recursive")
    again = run(tmp_path / "in", "-o", tmp_path / "in/out", "--recursive", "--overwrite").output
    assert again.count(" s in ") == 3


def test_one_bad_file_does_not_stop_the_others(noisy: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    noisy("in/good.wav", seconds=0.5)
    (tmp_path / "in/empty.wav").write_bytes(b"")
    (tmp_path / "in/text.wav").write_text("hello")
    soundfile.write(tmp_path / "in/none.wav", np.zeros(0), 16000)
    flac = noisy("in/torn.flac", seconds=4.0)
    flac.write_bytes(flac.read_bytes()[:30000])
    result = run(tmp_path / "in", "-o", tmp_path / "out", "--report", tmp_path / "report.json", code=1)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["good.wav"]
    assert "4 of 5 files could not be cleaned" in result.output
    report = {Path(row["input"]).name: row for row in json.loads((tmp_path / "report.json").read_text())}
    assert "the file is empty" in report["empty.wav"]["error"]
    assert "not an audio file" in report["text.wav"]["error"]
    assert "holds no samples" in report["none.wav"]["error"]
    assert report["torn.flac"]["error"]
    good = report["good.wav"]
    assert not [key for key in good if "snr" in key], "which cannot be told from the result"
    assert good["seconds"] == 0.5 and good["level_after"] < good["level_before"] and good["speed"] > 0


@pytest.mark.usefixtures("root")
def test_all_options_at_once(tmp_path: Path) -> None:
    out, removed, plot, report = (tmp_path / n for n in ("out.wav", "removed.wav", "p.png", "r.json"))
    run("samples/noisy/44k-stereo-rain.flac", "-o", out, "--save-removed", removed, "--plot", plot, "--report", report,
        "--atten-limit", 18, "--mix", 0.9, "--channels", "independent", "-v")  # fmt: skip
    assert soundfile.info(out).channels == 2 and soundfile.info(removed).samplerate == 44100
    assert plot.read_bytes().startswith(b"\x89PNG")
    (row,) = json.loads(report.read_text())
    noisy = soundfile.read("samples/noisy/44k-stereo-rain.flac")[0]
    for key, wave in (("before", noisy), ("after", soundfile.read(out)[0]), ("removed", soundfile.read(removed)[0])):
        assert row[f"level_{key}"] == pytest.approx(10 * np.log10(np.mean(wave**2)), abs=0.01)


@pytest.mark.usefixtures("root")
def test_strength_and_channels_have_their_effect(tmp_path: Path) -> None:
    source = "samples/noisy/44k-stereo-rain.flac"

    def result(*options: object) -> np.ndarray:
        run(source, "-o", tmp_path / "out.wav", "--overwrite", *options)
        return soundfile.read(tmp_path / "out.wav")[0]

    noisy, full = soundfile.read(source)[0], result()
    quantum = 2 / 32768
    assert np.abs(result("--mix", 0.25) - (0.25 * full + 0.75 * noisy)).max() < quantum
    assert np.abs(result("--atten-limit", 12) - (full + 10 ** (-12 / 20) * (noisy - full))).max() < quantum
    assert np.array_equal(result("--for", "asr"), result("--atten-limit", FOR_ASR))
    both = run(source, "-o", tmp_path / "none.wav", "--for", "asr", "--atten-limit", 3, code=2)
    assert "give one of the two" in both.output and not (tmp_path / "none.wav").exists()
    assert np.abs(result("--channels", "independent") - full).max() > 10 * quantum
    assert np.abs(result("--model", "crn_dae") - full).max() > 10 * quantum


def test_standard_input_and_output(noisy: Callable[..., Path], tmp_path: Path) -> None:
    source = noisy()
    run(source, "-o", tmp_path / "file.wav")
    command = [sys.executable, "-m", "audioae", "denoise", "-", "-o", "-"]
    piped = subprocess.run(command, input=source.read_bytes(), capture_output=True, check=True)
    assert piped.stdout == (tmp_path / "file.wav").read_bytes()
    assert b"\r" not in piped.stderr  # no progress bar in a pipe


def test_wrong_use_is_reported_in_one_line(noisy: Callable[..., Path], tmp_path: Path) -> None:
    source = noisy()
    assert "there is no such file" in run(tmp_path / "missing.wav", code=1).output
    assert "there is no folder" in run(source, "-o", tmp_path / "nowhere/out.wav", code=1).output
    assert "unknown ending" in run(source, "-o", tmp_path / "out.xyz", code=1).output
    assert "did you mean 'conv_dae'" in run(source, "--model", "conv_dea", code=1).output
    assert "not available here" in run(source, "--device", "cuda:77", code=1).output
    assert "no audio files" in run(tmp_path / "*.nothing", code=2).output
    assert "0<=x<=1" in run(source, "--mix", 3, code=2).output
    (tmp_path / "other").mkdir()
    twin = noisy("other/noisy.wav")
    assert "would both become" in run(source, twin, "-o", tmp_path / "out", code=2).output
    fake = tmp_path / "model.safetensors"
    fake.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    assert "not an audioae model" in run(source, "--model", fake, code=1).output


def test_an_unwritable_folder_and_a_full_disk(
    noisy: Callable[..., Path], tmp_path: Path, small_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    source = noisy(seconds=4.0)
    (tmp_path / "file").write_text("in the way")
    assert "cannot make the folder" in run(source, source, tmp_path / "*.wav", "-o", tmp_path / "file/x", code=1).output
    before = sorted(tmp_path.iterdir())
    with small_disk(20_000):
        result = run(source, "-o", tmp_path / "out.wav", code=1)
    assert "is the disk full?" in result.output
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder that nobody can write")
def test_an_unwritable_folder_is_reported(noisy: Callable[..., Path]) -> None:
    source = noisy(seconds=0.3)
    assert "/sys/out.wav: cannot write there" in run(source, "-o", "/sys/out.wav", code=1).output
    assert "/sys/out: cannot make the folder" in run(source, "-o", "/sys/out/", code=1).output


def test_links_in_circles_and_names_that_are_too_long(noisy: Callable[..., Path], tmp_path: Path) -> None:
    source = noisy(seconds=0.3)
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    told = run(tmp_path / "loop.wav", "-o", tmp_path / "out.wav", code=1).output
    assert "loop.wav" in told and "Traceback" not in told
    assert "too long" in run(source, "-o", tmp_path / ("x" * 300 + ".wav"), code=1).output
    # The other recordings of the folder are still cleaned, and the missing one is named.
    assert "loop.wav" in run(tmp_path, "-o", tmp_path / "out", code=1).output
    assert [path.name for path in (tmp_path / "out").iterdir()] == [source.name]


def test_non_finite_samples_are_reported(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    wave[5] = np.nan
    soundfile.write(tmp_path / "a.wav", wave, 8000, "FLOAT")
    assert "1 samples were NaN, infinite or beyond a million" in run(tmp_path / "a.wav").output


def test_quiet_prints_nothing(noisy: Callable[..., Path]) -> None:
    assert run(noisy(), "-q").output == ""


def test_no_result_takes_the_place_of_a_recording_or_of_another_result(noisy: Callable[..., Path], tmp_path: Path) -> None:
    source, second = noisy("c.wav", seconds=0.3), noisy("c.clean.wav", seconds=0.3)
    kept = source.read_bytes(), second.read_bytes()
    assert "is itself among the recordings" in run(source, second, "--overwrite", code=2).output
    for report in (source, tmp_path / "out.wav"):
        words = run(source, "-o", tmp_path / "out.wav", "--report", report, "--overwrite", code=2).output
        assert "needs a file of its own" in words
    (tmp_path / "old.json").write_text("precious")
    assert "use --overwrite" in run(source, "-o", tmp_path / "out.wav", "--report", tmp_path / "old.json", code=1).output
    assert (tmp_path / "old.json").read_text() == "precious" and not (tmp_path / "out.wav").exists()
    assert "would both become" in run(source, "-o", tmp_path / "x.wav", "--plot", tmp_path / "x.wav", code=2).output
    assert "needs a file" not in run(source, "-o", tmp_path / "o.wav", "--report", tmp_path / "r.json").output
    assert (source.read_bytes(), second.read_bytes()) == kept


def test_pictures_of_files_that_differ_in_their_ending_only(noisy: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.wav", "in/a.flac"):
        noisy(name, seconds=0.5)
    run(tmp_path / "in", "-o", tmp_path / "out", "--plot", tmp_path / "plots")
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == ["a.flac.png", "a.wav.png"]


def test_a_file_without_an_ending_keeps_its_container(noisy: Callable[..., Path], tmp_path: Path) -> None:
    noisy("talk.flac", seconds=0.5).rename(tmp_path / "talk")
    run(tmp_path / "talk")
    assert soundfile.info(tmp_path / "talk.clean").format == "FLAC"


def test_an_input_that_matches_nothing_is_reported(noisy: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "no*such.wav", tmp_path / "empty"):
        assert f"no audio files in {nothing}" in run(noisy(), nothing, "-o", tmp_path / "out", code=2).output


def test_termination_leaves_nothing_behind(
    endless: Callable[[str], Path], tmp_path: Path, until: Callable[..., list[Path]]
) -> None:
    source = endless("long.wav")
    process = subprocess.Popen([sys.executable, "-m", "audioae", "denoise", str(source), "-q"])
    until(lambda: list(tmp_path.glob(".*.part")), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == [source]
