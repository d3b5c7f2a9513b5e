"""Seekable copies of pipes in private temporary files."""

import io
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from audioae.audio.standard import standard_input
from audioae.errors import InputError, OutputError

IN_MEMORY = 32 * 2**20
"""Bytes that are kept in memory."""
CHUNK = 2**20
BLOCK = 2**16
"""Samples per read of a temporary file of samples, over all channels."""


def seekable_input() -> BinaryIO:
    """Standard input as a seekable file.

    Raises:
        InputError: it is closed, a terminal, or a device without an end such as /dev/zero.
        OutputError: the temporary folder is full.
    """
    file = standard_input()
    try:
        os.read(file.fileno(), 0)
        _check_kind(os.fstat(file.fileno()).st_mode, "standard input", "pipe a recording into it")
    except io.UnsupportedOperation:
        pass  # a stand-in for standard input, as in tests
    except OSError as error:
        raise InputError(f"standard input: cannot be read: {error.strerror}") from None
    return _spooled(file, "standard input")


def seekable(path: Path) -> BinaryIO | None:
    """The content of a pipe as a seekable file; None for a path that can be opened directly.

    Raises:
        InputError: a device, or a pipe that cannot be read.
        OutputError: the temporary folder is full.
        OSError: see ``Path.stat``.
    """
    kind = path.stat().st_mode
    if stat.S_ISREG(kind) or stat.S_ISDIR(kind):
        return None
    _check_kind(kind, str(path), "give a file or a pipe")
    try:
        with open(path, "rb", buffering=0) as file:
            return _spooled(cast(BinaryIO, file), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def is_pipe(path: Path) -> bool:
    """Whether the path exists and is neither a file nor a folder, so that it can be read once only."""
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def _check_kind(kind: int, name: str, advice: str) -> None:
    """Reject devices, which have no end."""
    if stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
        raise InputError(f"{name}: is a device, not a recording: {advice}")


def _spooled(stream: BinaryIO, name: str) -> BinaryIO:
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - handed to the caller open
    while True:
        try:
            chunk = stream.read(CHUNK)
        except OSError as error:
            raise InputError(f"{name}: cannot be read: {error.strerror}") from None
        if not chunk:
            break
        try:
            file.write(chunk)
        except OSError as error:
            raise OutputError(
                f"{name}: cannot be stored in {tempfile.gettempdir()} ({error.strerror}): "
                "make room there, or set TMPDIR to a folder with more"
            ) from None
    file.seek(0)
    return cast(BinaryIO, file)


def spooled_blocks(path: Path, channels: int, start: int = 0, least: int = 1) -> Iterator[NDArray[np.float32]]:
    """Blocks ``(N, C)`` of a temporary file of float32 samples, from frame ``start`` on.

    All but the last block have at least ``least`` frames.
    """
    with open(path, "rb") as file:
        file.seek(4 * channels * start)
        while data := file.read(4 * channels * max(least, BLOCK // channels)):
            yield np.frombuffer(data, np.float32).reshape(-1, channels)
