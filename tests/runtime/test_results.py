"""Results are complete and finite, and no foreign file is replaced."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner, Result

import audioae
from audioae.audio.readback import nearly_equal
from audioae.cli.app import main
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import AppearedError, ModelFileError, OutputError
from audioae.runtime import codes
from audioae.runtime.files import denoise_file
from audioae.runtime.generate import generate
from audioae.runtime.jobs import DenoiseOptions, Job

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def quick() -> Denoiser:
    return audioae.load("conv1d_dae")


def broken(name: str, value: float) -> Denoiser:
    """A model of the package with one wrong weight per layer, changed after it was loaded."""
    model = audioae.load(name)
    with torch.no_grad():
        for weights in model.network.parameters():
            weights.view(-1)[0] = value
    return model


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_results_that_are_not_finite_are_not_written(noisy: Make, tmp_path: Path, value: float) -> None:
    source, model = noisy("in.wav", seconds=0.5), broken("conv1d_dae", value)
    wave, rate = soundfile.read(source, dtype="float32")
    with pytest.raises(ModelFileError, match="conv1d_dae: gives samples that are NaN"):
        model(wave, rate)
    with pytest.raises(ModelFileError, match="NaN"):
        audioae.Streamer(model, rate).feed(wave)
    (tmp_path / "out.wav").write_bytes(b"old")
    with pytest.raises(ModelFileError, match="NaN"):
        denoise_file(model, source, tmp_path / "out.wav", DenoiseOptions(overwrite=True))
    assert (tmp_path / "out.wav").read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.wav", "out.wav"]


def test_codes_and_sounds_that_are_not_finite_are_not_written(noisy: Make) -> None:
    wave, rate = soundfile.read(noisy("in.wav", seconds=0.5), dtype="float32")
    model = broken("undercomplete_2d", float("nan"))
    with pytest.raises(ModelFileError, match="not finite"):
        codes.encode(wave, rate, model)
    whole = codes.encode(wave, rate, "undercomplete_2d")
    with pytest.raises(ModelFileError, match="NaN"):
        codes.decode(whole, model, force=True)
    with pytest.raises(ModelFileError, match="NaN"):
        codes.reconstruct(wave, rate, model)
    with pytest.raises(ModelFileError, match="NaN"):
        generate(broken("dcgan", float("nan")))


def test_losses_may_be_non_finite_in_training() -> None:
    model = broken("conv1d_dae", float("nan")).train()
    assert not model.clean(torch.ones(1, 1, 8000) * 0.1, 8000).isfinite().all()


def appearing(target: Path, content: bytes) -> Callable[[int, int, int], None]:
    def progress(done: int, frames: int, rate: int) -> None:
        if not target.exists():
            target.write_bytes(content)

    return progress


def test_a_result_that_appears_while_cleaning_is_kept(noisy: Make, tmp_path: Path, quick: Denoiser) -> None:
    source, target = noisy("in.wav", seconds=0.5), tmp_path / "out.wav"
    with pytest.raises(AppearedError, match=r"out\.wav: appeared while"):
        denoise_file(quick, source, target, progress=appearing(target, b"PRECIOUS"))
    assert target.read_bytes() == b"PRECIOUS"


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.ogg"])
def test_a_second_attempt_accepts_only_a_file_with_the_same_sound(
    noisy: Make, tmp_path: Path, quick: Denoiser, name: str
) -> None:
    source, target = noisy("in.wav", seconds=0.5), tmp_path / name
    denoise_file(quick, source, target)
    whole = target.read_bytes()
    denoise_file(quick, source, target, DenoiseOptions(again=True))
    assert target.read_bytes() == whole
    soundfile.write(target, soundfile.read(source)[0], 16000)
    theirs = target.read_bytes()
    with pytest.raises(AppearedError, match="is kept"):
        denoise_file(quick, source, target, DenoiseOptions(again=True))
    assert target.read_bytes() == theirs


@pytest.mark.parametrize("ending", ["ogg", "mp3"])
def test_coded_results_that_differ_by_rounding_are_the_same_sound(tmp_path: Path, ending: str) -> None:
    wave = np.random.default_rng(0).normal(size=48_000) * 0.1
    one, other, foreign, shorter = (tmp_path / f"{name}.{ending}" for name in ("one", "other", "foreign", "shorter"))
    for path, sound in ((one, wave), (other, wave * (1 + 1e-6)), (foreign, wave[::-1]), (shorter, wave[:24_000])):
        soundfile.write(path, sound, 48_000)
    assert nearly_equal(one, other) and not nearly_equal(one, foreign) and not nearly_equal(one, shorter)


def test_written_files_are_compared_with_the_result(
    noisy: Make, tmp_path: Path, quick: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a block lost by libsndfile, and with a sample changed by the disk."""
    whole = soundfile.SoundFile.write
    source, target = noisy("in.wav", seconds=0.5), tmp_path / "out.wav"
    for change in (lambda block: block[:-1], lambda block: block ^ np.int16(1)):
        monkeypatch.setattr(soundfile.SoundFile, "write", lambda self, block, change=change: whole(self, change(block)))
        with pytest.raises(OutputError, match=r"out\.wav: cannot write, is the disk full\? \(.*read back"):
            denoise_file(quick, source, target)
        assert not target.exists()


def resume(folder: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(main, ["denoise", "--model", "conv1d_dae", str(folder), "-o", str(out), "--resume", *more])


def test_resuming_never_replaces_foreign_files(noisy: Make, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("a", "b"):
        noisy(f"in/{name}.wav", seconds=0.5)
    mine = tmp_path / "out/.a.wav.notes.part"
    mine.write_bytes(b"mine")
    (tmp_path / "out/a.wav").write_bytes(b"PRECIOUS")
    for _ in range(2):  # the second time, the journal has an entry of the first
        told = resume(tmp_path / "in", tmp_path / "out")
        assert told.exit_code == 1 and "a.wav: is there already" in told.output
        assert (tmp_path / "out/a.wav").read_bytes() == b"PRECIOUS"
    assert mine.read_bytes() == b"mine"
    assert resume(tmp_path / "in", tmp_path / "out", "--overwrite").exit_code == 0
    whole = (tmp_path / "out/a.wav").read_bytes()
    for damage in (b"", whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        (tmp_path / "out/a.wav").write_bytes(damage)
        told = resume(tmp_path / "in", tmp_path / "out")
        assert told.exit_code == 0 and "1 of 2 recordings are already done" in told.output
        assert (tmp_path / "out/a.wav").read_bytes() == whole
    assert "2 of 2 recordings are already done" in resume(tmp_path / "in", tmp_path / "out").output


def test_two_runs_in_one_folder_do_no_harm(noisy: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins and ends while the first is at work."""
    from audioae.runtime import files

    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        noisy(f"in/{name}.wav", seconds=0.5)
    inner: list[Result] = []
    check = files.check_target

    def meanwhile(path: Path | None, source: Path, overwrite: bool) -> None:
        check(path, source, overwrite)
        if not inner:
            inner.append(Result.__new__(Result))
            inner[0] = resume(tmp_path / "in", tmp_path / "out")

    monkeypatch.setattr(files, "check_target", meanwhile)
    outer = resume(tmp_path / "in", tmp_path / "out")
    assert outer.exit_code == 0 and inner[0].exit_code == 0, outer.output + inner[0].output
    assert inner[0].output.count(" s in ") == 2 and outer.output.count(" s in ") == 1  # b was done already
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".audioae.jsonl", "a.wav", "b.wav"]


@pytest.mark.skipif(os.name != "posix", reason="devices and links are those of POSIX")
def test_reports_go_to_standard_output_and_leave_devices_alone(noisy: Make, tmp_path: Path) -> None:
    source = noisy("in.wav", seconds=0.5)
    (tmp_path / "null").symlink_to(os.devnull)
    base = ["denoise", "--model", "conv1d_dae", str(source), "-q"]
    done = CliRunner().invoke(main, [*base, "-o", str(tmp_path / "a.wav"), "--report", str(tmp_path / "null")])
    assert done.exit_code == 0 and (tmp_path / "null").is_symlink() and (tmp_path / "a.wav").exists()
    for option in ("-o", "--save-removed", "--plot"):
        target = [] if option == "-o" else ["-o", str(tmp_path / "b.wav")]
        done = CliRunner().invoke(main, [*base, *target, option, str(tmp_path / "null"), "--overwrite"])
        assert done.exit_code == 1 and "null: is a device: give the name of a file" in done.output


def test_flags_may_follow_arguments() -> None:
    """Jobs and options are made in several places."""
    assert [field.name for field in dataclasses.fields(DenoiseOptions)][-1] == "again"
    assert Job(Path("a"), Path("b")).outputs == [Path("b")]
