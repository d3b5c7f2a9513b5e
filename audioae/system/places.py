"""Targets of results: links, devices, pipes and open files; renaming without replacing."""

import ctypes
import os
import re
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from audioae.errors import OutputError

MOST_LINKS = 40
OLD = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
NEW = OLD | os.O_CREAT | os.O_EXCL
"""Flags for opening files that exist, and for creating new ones."""
_DESCRIPTORS = re.compile(r"/dev/fd|/proc/(\d+)(?:/task/\d+)?/fd")
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"))


def place_of(path: Path) -> Path:
    """The real path of a file. Symbolic links are followed, except to open files (``/dev/stdout``).

    Raises:
        OutputError: circular links, or no permission to read them.
    """
    here = path
    try:
        for _ in range(MOST_LINKS):
            folder = Path(os.path.realpath(here.parent))
            here = folder / here.name
            if _DESCRIPTORS.fullmatch(str(folder)) or not here.is_symlink():
                return here
            here = folder / here.readlink()
    except OSError as error:
        raise OutputError(f"{path}: cannot write there: {error.strerror or error}") from None
    raise OutputError(f"{path}: is a symbolic link that goes round in circles: give the name of a file")


def check_place(path: Path, overwrite: bool) -> Path:
    """Check that a file may be written, and return :func:`place_of` its path.

    Raises:
        OutputError: the file exists, without ``overwrite``; it is a folder, device or pipe; or its folder does not exist.
    """
    place = place_of(path)
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        if not place.parent.is_dir():
            raise OutputError(
                f"{path}: there is no folder {place.parent if path.is_symlink() else path.parent}: make it first"
            ) from None
        return place
    except OSError as error:
        raise OutputError(f"{path}: cannot write there: {error.strerror or error}") from None
    if _is_open_file(place):
        raise OutputError(f"{path}: is an open file of a process, not a name for a new one: give the name of a file")
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "a device")
        raise OutputError(f"{path}: is {kind}: give the name of a file")
    if not overwrite:
        raise OutputError(f"{path}: is there already: use --overwrite to replace it")
    return place


def check_apart(path: Path, inputs: Iterable[Path]) -> None:
    """Check that a result would not replace a file that the same command reads, by whatever name.

    Raises:
        OutputError: it would.
    """
    try:
        own = path.stat()
    except OSError:
        return
    for each in inputs:
        with suppress(OSError):
            if stat.S_ISREG(own.st_mode) and os.path.samestat(own, each.stat()):
                raise OutputError(f"{path}: is the input itself: give the result another name")


def small_file(path: str | os.PathLike[str], most: int) -> bytes:
    """The contents of a small file or of a pipe.

    Raises:
        OSError: it cannot be read.
        OverflowError: it has more than ``most`` bytes, or is a device without an end.
    """
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OverflowError(f"{path}: has more than {most} bytes")
    return data


def check_text(path: Path, overwrite: bool) -> None:
    """:func:`check_place` for text, which may also be written to a device or a pipe.

    Raises:
        OutputError: see :func:`check_place`.
    """
    if not is_channel(path):
        check_place(path, overwrite)


def _is_open_file(place: Path) -> bool:
    return _DESCRIPTORS.fullmatch(str(place.parent)) is not None


def is_channel(path: Path) -> bool:
    """Whether the path is a device, a pipe or an open file that accepts bytes."""
    place = place_of(path)
    try:
        mode = place.stat().st_mode
    except OSError:
        return False
    return _is_open_file(place) or stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def write_through(path: Path, data: bytes) -> None:
    """Write bytes to a device, a pipe or an open file, which must not be replaced by a file.

    Raises:
        OutputError: it cannot be written, or nobody reads from the pipe.
    """
    place = place_of(path)
    owner = _DESCRIPTORS.fullmatch(str(place.parent))
    try:
        if owner and owner[1] in (None, str(os.getpid())):
            handle = os.dup(int(place.name))  # keeps the position, which opening the file again would not
        else:
            # Does not wait for a reader.
            handle = os.open(place, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.set_blocking(handle, True)
        try:
            write_all(handle, data)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot write there: {reason}") from None


def write_all(handle: int, data: bytes) -> None:
    """Write all bytes; ``os.write`` may write a part only."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def rename_new(source: Path, target: Path) -> None:
    """Rename a file without replacing another.

    Raises:
        FileExistsError: the target exists.
        OSError: renaming fails.
    """
    ways = [rename_no_replace, rename_by_link, rename_by_claim] if os.name == "posix" else [os.rename]
    for way in ways:
        try:
            way(source, target)
            return
        except FileExistsError:
            raise
        except OSError:  # not supported by this system or file system
            if way is ways[-1]:
                raise


def rename_no_replace(source: Path, target: Path) -> None:
    """Rename by the system call that never replaces (Linux)."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if renameat2 is None:
        raise OSError("no renameat2 here")
    here, no_replace = -100, 1
    if renameat2(here, os.fsencode(source), here, os.fsencode(target), no_replace) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def rename_by_link(source: Path, target: Path) -> None:
    """Rename by a hard link, which is never made over an existing file."""
    os.link(source, target, follow_symlinks=False)
    with suppress(OSError):  # the new name exists already
        source.unlink()


def rename_by_claim(source: Path, target: Path) -> None:
    """Create an empty file exclusively, then replace it: for file systems without hard links."""
    os.close(os.open(target, NEW, 0o666))
    try:
        os.replace(source, target)
    except BaseException:
        target.unlink()
        raise
