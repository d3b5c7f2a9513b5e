"""Recordings in a folder: also behind links, each once, and unreadable ones are reported."""

import os
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner

from audioae.audio.folders import recordings
from audioae.cli.app import main
from audioae.data.sources import find, list_files


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(folder: Path, recursive: bool = True) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in recordings(folder, recursive).files]


def test_recordings_of_every_kind_by_their_endings(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("b.WAV", "a.m4a", "c.opus", "d.wma", "notes.txt", "cover.jpg", ".hidden.wav")))
    touch(tmp_path / "deep/e.flac")
    assert names(tmp_path, recursive=False) == ["a.m4a", "b.WAV", "c.opus", "d.wma"]
    assert names(tmp_path) == ["a.m4a", "b.WAV", "c.opus", "d.wma", "deep/e.flac"]


def test_links_to_folders_are_entered_and_circles_end(tmp_path: Path) -> None:
    top, disk = tmp_path / "top", tmp_path / "disk"
    touch(top / "a.wav", top / "z/b.wav", disk / "day/c.wav")
    (top / "linked").symlink_to("../disk")
    (top / "again").symlink_to("../disk/day")  # is entered by one way only
    (disk / "back").symlink_to(top)
    (top / "z/up").symlink_to("..")
    (top / "a-z").symlink_to("z")  # its own path comes first
    for number in range(12):  # each leads to all the others
        (disk / f"round{number}").symlink_to(".")
    assert names(top) == ["a.wav", "again/c.wav", "z/b.wav"]
    (top / "again").unlink()
    assert names(top) == ["a.wav", "linked/day/c.wav", "z/b.wav"]
    (top / "loop").symlink_to("loop")
    (top / "loop.wav").symlink_to("loop.wav")
    (top / "gone.wav").symlink_to("nowhere.wav")
    assert names(top, recursive=False) == ["a.wav", "gone.wav", "loop.wav"]


def test_unreadable_folders_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.wav", tmp_path / "locked/b.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    whole = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listing = recordings(tmp_path, recursive=True)
    assert listing.files == [tmp_path / "a.wav"]
    assert listing.unread == [
        (tmp_path / "locked", "Permission denied"),
        (tmp_path / "pipe.wav", "is no file: name it by itself"),
    ]
    found = find([str(tmp_path)], max_skipped=1.0)
    assert [path.name for path, _ in found.skipped] == ["locked", "pipe.wav", "a.wav"] and not found.clips


def test_training_follows_links_and_names_unreadable_files(tmp_path: Path, samples: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/linked").symlink_to(samples / "clean")
    assert len(list_files([str(tmp_path / "data")])) == len(list((samples / "clean").glob("*.flac")))
    touch(tmp_path / "data/talk.m4a")
    ((path, reason),) = find([str(tmp_path / "data")], max_skipped=0.5).skipped
    assert path.name == "talk.m4a" and "audioae[media]" in reason


def test_denoise_names_unreadable_files_and_cleans_the_rest(tmp_path: Path, samples: Path) -> None:
    wave, rate = soundfile.read(samples / "noisy/8k-fire.flac", frames=4000)
    for name in ("in/a.wav", "disk/day/b.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / name, wave, rate)
    (tmp_path / "in/linked").symlink_to("../disk")
    touch(tmp_path / "in/talk.m4a", tmp_path / "only/talk.wma")
    options = ["--recursive", "--model", "conv1d_dae", "--report", str(tmp_path / "r.json")]
    made = CliRunner().invoke(main, ["denoise", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *options])
    assert made.exit_code == 1, made.output
    assert "talk.m4a: not a media file" in made.output and "1 of 3 files could not be cleaned" in made.output
    assert names(tmp_path / "out") == ["a.wav", "linked/day/b.wav"]
    assert "talk.m4a" in (tmp_path / "r.json").read_text()
    made = CliRunner().invoke(main, ["denoise", str(tmp_path / "only"), "-o", str(tmp_path / "out2")])
    assert made.exit_code == 1 and "talk.wma" in made.output
    os.mkfifo(tmp_path / "only/pipe.wav")
    (tmp_path / "only/talk.wma").unlink()
    made = CliRunner().invoke(main, ["denoise", str(tmp_path / "only"), "-o", str(tmp_path / "out3")])
    assert made.exit_code == 1 and "pipe.wav: is no file" in made.output


def test_a_name_counts_as_a_result_only_beside_its_recording(tmp_path: Path) -> None:
    from audioae.cli.targets import plan

    touch(tmp_path / "a.wav", tmp_path / "a.clean.wav", tmp_path / "b.clean.wav")
    assert [job.source.name for job in plan([str(tmp_path)], "out/").jobs] == ["a.wav", "b.clean.wav"]
    (tmp_path / "round").symlink_to(".")
    assert len(plan([str(tmp_path / "**")], "out/", recursive=True).jobs) == 2


@pytest.mark.parametrize(
    "options", [["-o", "both.wav"], ["-o", "out", "--plot", "p.png"], ["-o", "o", "--save-removed", "r.flac"]]
)
def test_several_recordings_need_a_folder(options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "a.wav", tmp_path / "b.wav")
    made = CliRunner().invoke(main, ["denoise", "a.wav", "b.wav", *options])
    assert made.exit_code == 2 and f"{options[-1]} names one file, but there are several results" in made.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "b.wav"]
    made = CliRunner().invoke(main, ["denoise", ".", *options])
    assert made.exit_code == 2 and "names one file" in made.output
