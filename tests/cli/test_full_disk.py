"""A full disk: a small one in memory, which Linux lets any user mount in a namespace."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from audioae.cli.app import main

Make = Callable[..., Path]
RUN = f"{sys.executable} -m audioae denoise"

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def namespaces() -> bool:
    """Whether users may create namespaces; some distributions forbid it, and other systems have none."""
    mount = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return shutil.which(NAMESPACE[0]) is not None and subprocess.run(mount, capture_output=True).returncode == 0


# Without them a full disk is tested by the limit on a file's size, in tests/audio/test_writer.py.
pytestmark = pytest.mark.skipif(not namespaces(), reason="this machine lets no user mount a small disk")


def on_a_disk(script: str, disk: Path, *, kilobytes: int) -> subprocess.CompletedProcess[str]:
    """Run a shell script with an empty disk of that size mounted at ``disk``."""
    disk.mkdir()
    script = f'set -u; mount -t tmpfs -o size={kilobytes}k tmpfs "{disk}" || exit 99; {script}'
    return subprocess.run([*NAMESPACE, "bash", "-c", script], capture_output=True, text=True)


def test_a_result_that_does_not_fit_leaves_the_older_one(noisy: Make, tmp_path: Path) -> None:
    source, disk = noisy("talk.wav", seconds=4), tmp_path / "disk"  # 128 kB
    done = on_a_disk(
        f'echo older > "{disk}/clean.wav"; '
        f'{RUN} "{source}" -o "{disk}/clean.wav" --overwrite; echo "code $?"; cat "{disk}/clean.wav"; ls -A "{disk}"',
        disk,
        kilobytes=100,
    )
    assert done.stdout.splitlines() == ["code 1", "older", "clean.wav"], done.stderr
    assert "is the disk full?" in done.stderr and "Traceback" not in done.stderr
    assert str(disk / "clean.wav") in done.stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_that_does_not_fit_is_resumed_when_there_is_room(noisy: Make, tmp_path: Path, jobs: int) -> None:
    (tmp_path / "in").mkdir()
    for name, seconds in (("a", 4), ("b", 4), ("c", 4), ("d", 1)):
        noisy(f"in/{name}.wav", seconds=seconds)
    disk, copy, alone = tmp_path / "disk", tmp_path / "copy", tmp_path / "alone"
    run = f'{RUN} "{tmp_path / "in"}" -o "{disk}" --jobs {jobs} --resume'
    done = on_a_disk(
        f'{run}; echo "code $?"; cp -r "{disk}" "{copy}"; mount -o remount,size=9000k "{disk}"; '
        f'{run}; echo "code $?"; cp -r "{disk}" "{copy}2"',
        disk,
        kilobytes=330,
    )
    assert done.stdout.splitlines() == ["code 1", "code 0"], done.stderr
    assert "is the disk full?" in done.stderr and "Traceback" not in done.stderr
    assert CliRunner().invoke(main, ["denoise", str(tmp_path / "in"), "-o", str(alone)]).exit_code == 0
    expected = {each.name: soundfile.read(each)[0] for each in alone.iterdir() if each.suffix == ".wav"}
    there = {each.name for each in copy.iterdir()} - {".audioae.jsonl"}
    assert there < set(expected) and len(expected) == 4  # complete ones only, and not all
    for folder, names in ((copy, there), (Path(f"{copy}2"), set(expected))):
        assert {each.name for each in folder.iterdir()} == names | {".audioae.jsonl"}
        for name in names:
            assert np.abs(soundfile.read(folder / name)[0] - expected[name]).max() < 1e-4


def test_a_journal_that_does_not_fit(noisy: Make, tmp_path: Path) -> None:
    """Then no recording is started, because it could not be resumed."""
    (tmp_path / "in").mkdir()
    source, disk = noisy("in/talk.wav", seconds=1), tmp_path / "disk"
    done = on_a_disk(
        f'dd if=/dev/zero of="{disk}/else" bs=1k count=400 2>/dev/null; '
        f'{RUN} "{source.parent}" -o "{disk}" --resume; echo "code $?"; ls -A "{disk}"; rm "{disk}/else"; '
        f'{RUN} "{source.parent}" -o "{disk}" --resume; echo "code $?"; ls -A "{disk}"',
        disk,
        kilobytes=300,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "code 1" and "talk.wav" not in lines[1 : lines.index("code 0")], done.stderr
    assert sorted(lines[lines.index("code 0") + 1 :]) == [".audioae.jsonl", "talk.wav"]
    assert ".audioae.jsonl" in done.stderr and "No space left on device" in done.stderr and "Traceback" not in done.stderr
