"""Standard input and output as bytes, also where they are closed, full, or set not to block.

A pipe that does not block says "nothing yet", which is no end, and "no room yet", which is no error: both are waited for.
"""

import io
import os
import select
import sys
from contextlib import suppress
from typing import TextIO, cast

from audioae.errors import OutputError


class _Waiting(io.RawIOBase):
    """A file that is read as one that blocks, whatever it is set to."""

    def __init__(self, file: io.FileIO) -> None:
        self.file = file

    def readable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self.file.fileno()

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Wait for bytes and take those that are there; 0 at the end."""
        while (count := self.file.readinto(buffer)) is None:
            select.select([self.file], [], [])
        return count


def standard_input() -> io.BufferedReader:
    """Standard input, buffered; reading waits for bytes where the pipe itself does not."""
    buffer = cast(io.BufferedReader, sys.stdin.buffer)
    raw = getattr(buffer, "raw", None)
    return buffer if raw is None else io.BufferedReader(_Waiting(cast(io.FileIO, raw)))


def write(stream: TextIO, data: bytes) -> None:
    """Write all bytes to the file under a text stream, and wait for room where the file itself does not.

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
        BrokenPipeError: nobody reads it any more, which is no error of ours.
    """
    try:
        write(sys.stdout, data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output: cannot write: {error.strerror or error}") from None


def stand_in_for_closed_streams() -> None:
    """Fill the places of closed standard streams, so that no other file gets their numbers and what is meant for them.

    The files there fail as closed ones do: reading or writing says "Bad file descriptor".
    """
    for name, mode, access in (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_RDONLY)):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, access)  # the lowest number that is free
            os.set_inheritable(handle, True)  # processes that we start need it as much
            setattr(sys, name, open(handle, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - until the end


def settle(stream: TextIO) -> None:
    """Flush a stream, or drop what it cannot write, so that the end of the program does not try again."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
