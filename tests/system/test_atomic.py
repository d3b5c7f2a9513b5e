"""Files are written atomically, with the right permissions, and never over files that must be kept."""

import errno
import multiprocessing
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from audioae.errors import AppearedError, OutputError
from audioae.system import atomic, places
from audioae.system.atomic import Temporary, sweep, write_file, write_text

posix = pytest.mark.skipif(os.name != "posix", reason="links, devices and permissions are those of POSIX")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_are_written_atomically(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Temporary(tmp_path / "a") as temporary:
        temporary.write(b"half")
        assert names(tmp_path) != []
        raise ZeroDivisionError
    assert names(tmp_path) == []
    write_file(tmp_path / "deep/b", b"whole")
    assert (tmp_path / "deep/b").read_bytes() == b"whole" and names(tmp_path / "deep") == ["b"]


@pytest.mark.parametrize("without", ["", "rename_no_replace", "rename_no_replace rename_by_link"])
def test_files_that_appear_meanwhile_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    """With every way of renaming that file systems offer."""

    def missing(source: Path, target: Path) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    for name in without.split():
        monkeypatch.setattr(places, name, missing)
    target = tmp_path / "a"
    with Temporary(target) as temporary:
        temporary.write(b"new")
        target.write_bytes(b"PRECIOUS")
        with pytest.raises(AppearedError, match="appeared while"):
            temporary.commit()
    assert target.read_bytes() == b"PRECIOUS" and names(tmp_path) == ["a"]
    target.unlink()
    with Temporary(target) as temporary:
        temporary.write(b"new")
        temporary.commit()
    assert target.read_bytes() == b"new" and names(tmp_path) == ["a"]


def test_existing_files_are_replaced_only_on_demand(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OutputError, match="use --overwrite"):
        write_file(tmp_path / "a", b"new", overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"old"
    write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@posix
@pytest.mark.parametrize("mask", [0o077, 0o022, 0o007, 0])
def test_permissions_are_those_of_the_umask_or_of_the_old_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_file(tmp_path / "a", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask
    (tmp_path / "a").chmod(0o464)
    write_file(tmp_path / "a", b"newer")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o464
    (tmp_path / "a").chmod(0o600)
    with Temporary(tmp_path / "a", overwrite=True) as temporary:  # others may not read it while it is written
        assert stat.S_IMODE(temporary.path.stat().st_mode) == 0o600


@posix
@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing yet"])
def test_writing_through_a_link_keeps_the_link(tmp_path: Path, there: bool) -> None:
    (tmp_path / "store").mkdir()
    if there:
        (tmp_path / "store/real").write_bytes(b"old")
    (tmp_path / "first").symlink_to("store/real")
    (tmp_path / "second").symlink_to(tmp_path / "first")
    write_file(tmp_path / "second", b"new")
    assert (tmp_path / "second").is_symlink() and (tmp_path / "first").is_symlink()
    assert (tmp_path / "store/real").read_bytes() == b"new" and names(tmp_path / "store") == ["real"]
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OutputError, match="round in circles"):
        write_file(tmp_path / "round", b"new")


@posix
def test_devices_pipes_and_open_files_are_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    (tmp_path / "folder").mkdir()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    held = open(tmp_path / "held", "wb")  # noqa: SIM115 - closed below
    (tmp_path / "open").symlink_to(f"/dev/fd/{held.fileno()}")
    before = {name: os.lstat(tmp_path / name).st_mode for name in names(tmp_path)}
    for name in ("pipe", "null", "folder", "socket", "open"):
        with pytest.raises(OutputError, match="give the name of a file"):
            write_file(tmp_path / name, b"new")
    write_text(tmp_path / "null", "text", overwrite=False)
    held.write(b"before ")
    held.flush()
    write_text(tmp_path / "open", "text", overwrite=False)
    held.close()
    listening.close()
    with pytest.raises(OutputError, match="cannot write there"):  # at once, although nobody reads
        write_text(tmp_path / "pipe", "text", overwrite=True)
    assert (tmp_path / "held").read_bytes() == b"before text"
    assert {name: os.lstat(tmp_path / name).st_mode for name in names(tmp_path)} == before


@pytest.mark.parametrize("length", [244, 255])
def test_names_as_long_as_file_systems_allow(tmp_path: Path, length: int) -> None:
    write_file(tmp_path / ("n" * length), b"new")
    assert [len(name) for name in names(tmp_path)] == [length]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, small_disk: Callable[[int], AbstractContextManager[None]]) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with small_disk(1000), pytest.raises(OutputError, match=r"a: cannot write, is the disk full\?"):
        write_file(target, bytes(2000))
    assert target.read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_files_that_read_back_differently_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "write_all", lambda handle, data: os.write(handle, data[:-1]))
    with pytest.raises(OutputError, match="read back"):
        write_file(tmp_path / "a", b"new")
    assert names(tmp_path) == []


LEAVE = """
import os, signal, sys
from pathlib import Path
from audioae.system.atomic import Temporary
temporary = Temporary(Path(sys.argv[1]) / "a")
print("there", flush=True)
if sys.argv[2] == "stay":
    sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_only_files_of_dead_processes_are_swept(tmp_path: Path) -> None:
    mine = [".a.part", ".audioae.part", ".audioae-notes.part", ".a.wav.x1y2.part", f".audioae-{atomic.HOST}-1.part"]
    for name in mine:
        (tmp_path / name).write_bytes(b"mine")
    elsewhere = tmp_path / ".audioae-00000000-0123456789ab.part"
    elsewhere.write_bytes(b"of another machine")
    subprocess.run([sys.executable, "-c", LEAVE, tmp_path, "die"], stdout=subprocess.DEVNULL, check=False)
    left = set(names(tmp_path)) - set(mine)
    assert len(left) == 2
    live = subprocess.Popen([sys.executable, "-c", LEAVE, tmp_path, "stay"], stdin=-1, stdout=-1)
    assert live.stdout is not None and live.stdout.readline() == b"there\n"
    with Temporary(tmp_path / "b") as own:
        sweep(tmp_path)
        kept = set(names(tmp_path)) - set(mine)
        assert own.path.name in kept and elsewhere.name in kept and len(kept) == 3 and len(kept & left) == 1
    live.communicate()
    sweep(tmp_path)
    os.utime(elsewhere, (1, 1))
    sweep(tmp_path)
    assert names(tmp_path) == sorted(mine)


def _write_many(folder: str) -> None:
    for number in range(200):
        write_file(Path(folder) / f"{os.getpid()}-{number}", b"whole")


@posix
def test_concurrent_writing_and_sweeping_lose_nothing(tmp_path: Path) -> None:
    """A temporary file that is not locked yet may be removed; another one is then created."""
    writer = multiprocessing.get_context("spawn").Process(target=_write_many, args=(str(tmp_path),))
    writer.start()
    while writer.is_alive():
        sweep(tmp_path)
    writer.join()
    assert writer.exitcode == 0
    assert len(names(tmp_path)) == 200 and all((tmp_path / name).read_bytes() == b"whole" for name in names(tmp_path))


def test_an_unreferenced_temporary_file_is_removed_at_exit(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from audioae.system.atomic import Temporary
Temporary(Path({str(tmp_path)!r}) / "a")
raise SystemExit(3)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["name", "link", "hard link"])
def test_inputs_are_recognised_by_any_name(tmp_path: Path, kind: str) -> None:
    source, other = tmp_path / "in", tmp_path / "other"
    source.write_bytes(b"in")
    if kind == "link":
        other.symlink_to(source)
    elif kind == "hard link":
        other.hardlink_to(source)
    else:
        other = tmp_path / "." / "in"
    with pytest.raises(OutputError, match="is the input itself: give the result another name"):
        places.check_apart(other, [tmp_path / "missing", source])
    places.check_apart(tmp_path / "missing", [tmp_path / "missing", source])
    places.check_apart(Path(os.devnull), [Path(os.devnull)])
