"""``audioae restore``: correct and wrong use."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import audioae
from audioae.cli.app import main


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["restore", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def damaged(tmp_path: Path, samples: Path) -> Path:
    """A stereo recording of 24 bits with tags, clipped, and with dropouts in its first channel."""
    wave, rate = soundfile.read(samples / "clean/16k-rooster.flac")
    wave = np.stack([wave, wave], axis=1)[: 5 * rate]
    rail = np.quantile(np.abs(wave), 0.95)
    wave = wave.clip(-rail, rail)
    for start in range(rate, len(wave), rate):
        wave[start : start + 480, 0] = 0
    path = tmp_path / "damaged.flac"
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_24") as file:
        file.title = "A title"
        file.write(wave)
    return path


def test_a_file_is_restored_with_its_format_and_a_report(damaged: Path, tmp_path: Path) -> None:
    out, report, picture = tmp_path / "out.flac", tmp_path / "report.json", tmp_path / "picture.png"
    rest = tmp_path / "rest.flac"
    said = run(damaged, "-o", out, "--report", report, "--plot", picture, "--save-removed", rest).output
    before, after = soundfile.SoundFile(damaged), soundfile.SoundFile(out)
    assert (after.samplerate, after.channels, after.frames, after.subtype, after.title) == (
        *(before.samplerate, before.channels, before.frames, before.subtype),
        "A title",
    )
    (row,) = json.loads(report.read_text())
    kinds = [each["kind"] for each in row["damage"]]
    assert kinds.count("clipping") == 1 and kinds.count("dropouts") == 4
    assert all(0 <= each["start"] < each["end"] <= 5 for each in row["damage"])
    assert "clipping in 5 s, 4 dropouts" in said and picture.stat().st_size > 10_000
    wave, rate = soundfile.read(damaged, dtype="float32")
    expected = audioae.restore(wave, rate)
    assert np.abs(soundfile.read(out)[0] - expected.clip(-1, 1)).max() < 1e-5
    assert np.abs(wave - soundfile.read(out)[0] - soundfile.read(rest)[0]).max() < 2**-22


def test_only_what_is_asked_for_is_repaired(damaged: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.flac"
    assert "4 dropouts" in run(damaged, "-o", out, "--only", "dropouts, reverb").output
    wave, made = soundfile.read(damaged)[0], soundfile.read(out)[0]
    assert np.array_equal(wave[:, 1], made[:, 1]) and not np.array_equal(wave[:, 0], made[:, 0])


def test_undamaged_recordings_are_copied(tmp_path: Path, samples: Path) -> None:
    source, out = samples / "clean/16k-rooster.flac", tmp_path / "out.flac"
    assert "no damage found" in run(source, "-o", out).output
    assert np.array_equal(soundfile.read(source)[0], soundfile.read(out)[0])


def test_noise_is_removed_afterwards_if_asked_for(tmp_path: Path, samples: Path) -> None:
    source, one, other = samples / "noisy/16k-rooster.flac", tmp_path / "one.flac", tmp_path / "other.flac"
    run(source, "-o", one, "--denoise")
    CliRunner().invoke(main, ["denoise", str(source), "-o", str(other)])
    assert np.abs(soundfile.read(one)[0] - soundfile.read(other)[0]).max() < 1e-3


def test_folders_are_resumed(damaged: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    damaged.rename(tmp_path / "in/a.flac")
    common = (tmp_path / "in", "-o", tmp_path / "out", "--resume", "--only", "dropouts")
    run(*common, "--jobs", "2")
    assert "1 of 1 recordings are already done" in run(*common).output
    made = (tmp_path / "out/a.flac").stat().st_mtime_ns
    run(*common[:-1], "clipping", "--overwrite")  # other repairs are another result
    assert (tmp_path / "out/a.flac").stat().st_mtime_ns != made


def test_standard_input_and_output(damaged: Path) -> None:
    wave, rate = soundfile.read(damaged, dtype="int16")
    import io

    file = io.BytesIO()
    soundfile.write(file, wave, rate, format="WAV")
    result = CliRunner().invoke(main, ["restore", "-", "-o", "-", "--only", "dropouts", "-q"], input=file.getvalue())
    assert result.exit_code == 0
    made, _ = soundfile.read(io.BytesIO(result.stdout_bytes), dtype="int16")
    assert made.shape == wave.shape and np.array_equal(made[:, 1], wave[:, 1]) and not np.array_equal(made[:, 0], wave[:, 0])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--only", "noise"), 2, "unknown damage 'noise'"),
        (("--model", "conv_dae"), 1, "was not trained on damaged speech"),
        (("--model", "digits"), 1, "give a denoiser"),
    ],
)
def test_mistakes_are_told_in_one_line(
    damaged: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    said = run(damaged, "-o", tmp_path / "out.flac", *arguments, code=code).output
    assert message in said
    assert not (tmp_path / "out.flac").exists()


def test_denoise_refuses_a_restorer(damaged: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["denoise", str(damaged), "-o", str(tmp_path / "out.flac"), "-m", "restore"])
    assert result.exit_code == 1 and "keeps noise and repairs damage" in result.output


def test_temporary_files_are_removed(damaged: Path, tmp_path: Path) -> None:
    run(damaged, "-o", tmp_path / "out.flac", "--only", "dropouts")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.flac", "out.flac"]
