"""Standard input and output as bytes, including closed, full and non-blocking streams.

Reads and writes wait for non-blocking pipes.
"""

import io
import os
import select
import sys
from contextlib import suppress
from typing import TextIO, cast

from audioae.errors import OutputError


class _Waiting(io.RawIOBase):
    """A file whose reads block, even if it is non-blocking."""

    def __init__(self, file: io.FileIO) -> None:
        self.file = file

    def readable(self) -> bool:
        """True."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self.file.fileno()

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Wait for bytes and read the available ones; 0 at the end."""
        while (count := self.file.readinto(buffer)) is None:
            select.select([self.file], [], [])
        return count


def standard_input() -> io.BufferedReader:
    """Standard input, buffered; reads also wait for non-blocking pipes."""
    buffer = cast(io.BufferedReader, sys.stdin.buffer)
    raw = getattr(buffer, "raw", None)
    return buffer if raw is None else io.BufferedReader(_Waiting(cast(io.FileIO, raw)))


def write(stream: TextIO, data: bytes) -> None:
    """Write all bytes to the file of a text stream, and wait for non-blocking files.

    Raises:
        OSError: the file is full, closed, or nobody reads it.
    """
    raw = getattr(stream.buffer, "raw", None)
    if raw is None:
        stream.buffer.write(data)
        stream.flush()
        return
    rest = memoryview(data)
    while rest:
        count = cast(io.FileIO, raw).write(rest)
        if count is None:
            select.select([], [raw], [])
        else:
            rest = rest[count:]


def write_output(data: bytes) -> None:
    """Write all bytes to standard output.

    Raises:
        OutputError: it is full or closed.
        BrokenPipeError: the reader has closed the pipe.
    """
    try:
        write(sys.stdout, data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: cannot write: {error.strerror or error}") from None


def stand_in_for_closed_streams() -> None:
    """Replace closed standard streams, so that no other file gets their descriptors and their data.

    Reading or writing the replacements fails with "Bad file descriptor".
    """
    for name, mode, access in (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDONLY)):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, access)  # gets the lowest free descriptor
            os.set_inheritable(handle, True)  # also for child processes
            setattr(sys, name, open(handle, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - until the end


def flush_or_discard(stream: TextIO) -> None:
    """Flush a stream, or discard its buffer, so that the exit of the program does not fail."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
