"""Atomic writing of files.

The content is written to a temporary file beside the target, checked, synced to disk and renamed. A temporary file is locked
while its process runs, so that :func:`sweep` removes only those of killed processes.
"""

import atexit
import errno
import os
import platform
import re
import secrets
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from audioae.errors import AppearedError, OutputError
from audioae.system.places import NEW, OLD, check_place, is_channel, rename_new, write_all, write_through

try:
    import fcntl
except ImportError:  # Windows has no such locks, but does not delete open files
    fcntl = None  # type: ignore[assignment]

HOST = f"{zlib.crc32(platform.node().encode()):08x}"
"""Identifies the machine that made a temporary file; some network drives do not share locks between machines."""
NAME = re.compile(r"\.audioae-([0-9a-f]{8})-[0-9a-f]{12}\.part")
FOREIGN_SECONDS = 86_400.0
"""Age in seconds after which a temporary file of another machine counts as abandoned."""
_unfinished: dict[Path, int] = {}
"""Temporary files that this process made and has not closed, with its number, which a forked process does not share."""
FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class Temporary:
    """A temporary file that replaces ``target`` by :meth:`commit`; without it, nothing is left behind.

    The permissions are those of the replaced file, or follow the umask. If the target is a symbolic link, the file that it
    points to is replaced.

    Args:
        target: path of the file to write.
        overwrite: replace an existing file.
        again: check for an existing file in :meth:`commit` only, because it may be the result of an earlier attempt.

    Attributes:
        path: path of the temporary file.

    Raises:
        OutputError: see :func:`~audioae.system.places.check_place`; or the folder cannot be written.
    """

    def __init__(self, target: Path, overwrite: bool = False, again: bool = False) -> None:
        self.target, self.overwrite, self.again = target, overwrite, again
        self.place = check_place(target, overwrite or again)
        try:
            self.path, self._handle = _create(self.place.parent)
        except OSError as error:
            raise OutputError(f"{target}: cannot write there: {error.strerror or error}") from None
        self._open = True
        with suppress(OSError):  # no more readers than the old file while it is written
            os.chmod(self.path, self.place.stat().st_mode & 0o777 | 0o600)

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OutputError: the disk is full.
        """
        try:
            write_all(self._handle, data)
        except OSError as error:
            raise self.failed(error) from None

    def commit(self, is_same: Callable[[], bool] = lambda: False) -> None:
        """Rename the file to its target.

        Args:
            is_same: whether the existing file is the result of an earlier attempt, which ``again`` accepts.

        Raises:
            AppearedError: a file exists by now, without ``overwrite``; it is kept.
            OutputError: the target cannot be written.
        """
        try:
            # The content is synced before the rename, and the rename before success is reported, in case of a power failure.
            os.fsync(self._handle)
            self._copy_permissions()
            if os.name == "nt":  # open files cannot be renamed there
                self._close()
            if self.overwrite:
                check_place(self.target, self.overwrite)
                os.replace(self.path, self.place)
            else:
                rename_new(self.path, self.place)
            with suppress(OSError):  # some systems cannot open folders
                _sync_folder(self.place.parent)
        except FileExistsError:
            if self.again and is_same():
                return
            raise AppearedError(
                f"{self.target}: appeared while the result was made, and is kept: use --overwrite to replace it"
            ) from None
        except OSError as error:
            raise self.failed(error) from None

    def discard(self) -> None:
        """Delete the temporary file, if it was not committed."""
        if self._open:
            # Removed while locked, because afterwards another file may have the name.
            if os.name == "nt":
                self._close()
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            self._close()

    def failed(self, error: Exception | str) -> OutputError:
        """The error for a failed write."""
        if isinstance(error, OSError) and error.errno not in FULL:
            return OutputError(f"{self.target}: cannot write: {error.strerror or error}")
        reason = error if isinstance(error, str) else getattr(error, "strerror", None) or str(error)
        return OutputError(f"{self.target}: cannot write, is the disk full? ({reason.strip().rstrip('.')})")

    def _copy_permissions(self) -> None:
        """Copy the permissions and the owner of the file that is replaced."""
        try:
            old = self.place.stat()
        except FileNotFoundError:
            return
        if hasattr(os, "chown"):
            with suppress(OSError):  # only root may change the owner
                os.chown(self.path, old.st_uid, old.st_gid)
        with suppress(OSError):  # some file systems have no permissions
            os.chmod(self.path, old.st_mode & 0o777)

    def _close(self) -> None:
        if self._open:
            self._open = False
            _unfinished.pop(self.path, None)
            # fsync has already reported write errors.
            with suppress(OSError):
                os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()


def write_file(path: str | os.PathLike[str], data: bytes, overwrite: bool = True, again: bool = False) -> None:
    """Write a file atomically. Missing parent folders are created.

    Args:
        path: path of the file.
        data: its contents.
        overwrite: replace an existing file.
        again: accept a file that is there, if it has these contents, as the result of an earlier attempt has.

    Raises:
        OutputError: see :class:`Temporary`.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot make its folder: {error.strerror or error}") from None
    with Temporary(target, overwrite, again) as temporary:
        temporary.write(data)
        try:
            if temporary.path.read_bytes() != data:
                raise temporary.failed("what is read back is not what was written")
        except OSError as error:
            raise temporary.failed(error) from None
        temporary.commit(lambda: target.read_bytes() == data)


def write_text(path: Path, text: str, overwrite: bool) -> None:
    """Write text to a file, a terminal or a pipe, such as ``/dev/stdout``.

    Raises:
        OutputError: see :class:`Temporary`.
    """
    data = text.encode("utf-8", "backslashreplace")  # names may not be valid text
    if is_channel(path):
        write_through(path, data)
    else:
        write_file(path, data, overwrite)


def _create(folder: Path) -> tuple[Path, int]:
    """A new temporary file, open and locked."""
    while True:
        path = folder / f".audioae-{HOST}-{secrets.token_hex(6)}.part"
        _unfinished[path] = os.getpid()
        handle = os.open(path, NEW, 0o666)
        try:
            # Before this lock, another process may have removed it as abandoned.
            if _lock(handle) and _is_still(path, handle):
                return path, handle
            path.unlink(missing_ok=True)
            os.close(handle)
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(handle)
            raise


@atexit.register
def _remove_unfinished() -> None:
    """Remove temporary files left by a signal between their creation and the block that would remove them."""
    for path, process in _unfinished.items():
        if process == os.getpid():
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _lock(handle: int) -> bool:
    """Whether the lock was acquired; also true on systems without locks, where :func:`sweep` does nothing."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def locked(handle: int) -> Iterator[None]:
    """Hold the lock of an open file; no effect on systems without locks."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if fcntl is not None:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_UN)


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path) -> bool:
    """Remove temporary files of killed processes from a folder. Returns whether no temporary file is left."""
    if fcntl is None:
        return True
    found: list[Path] = []
    with suppress(OSError):
        found = [each for each in folder.iterdir() if NAME.fullmatch(each.name)]
        for path in found:
            with suppress(OSError):
                _sweep(path)
    return not any(path.exists() for path in found)


def _sweep(path: Path) -> None:
    handle = os.open(path, OLD)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its process runs
        found = NAME.fullmatch(path.name)
        own = found is not None and found[1] == HOST
        if own or time.time() - os.fstat(handle).st_mtime > FOREIGN_SECONDS:
            path.unlink()
    finally:
        os.close(handle)
