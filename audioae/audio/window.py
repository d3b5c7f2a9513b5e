"""A part of a file that is read like a file."""

import io
import os
from collections.abc import Mapping
from typing import BinaryIO


class Window(io.RawIOBase):
    """Bytes ``start`` to ``stop`` of a file, with optional replacements.

    Args:
        file: the file, which is not closed.
        start: the first byte.
        stop: the byte after the last.
        patches: replacement bytes by their position in the window.
    """

    def __init__(self, file: BinaryIO, start: int, stop: int, patches: Mapping[int, bytes] | None = None) -> None:
        self.file, self.start, self.size = file, start, stop - start
        self.patches = dict(patches or {})
        self.at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Position in the window."""
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position in the window."""
        self.at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence])
        return self.at

    def readinto(self, buffer: "memoryview[int] | bytearray") -> int:  # type: ignore[override]
        """The next bytes."""
        count = max(0, min(len(buffer), self.size - self.at))
        self.file.seek(self.start + self.at)
        data = bytearray(self.file.read(count))
        for place, patch in self.patches.items():
            for offset, byte in enumerate(patch, place - self.at):
                if 0 <= offset < len(data):
                    data[offset] = byte
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)

    @property
    def is_whole(self) -> bool:
        """Whether this is the whole file without replacements."""
        return not self.start and not self.patches and self.size == self.file.seek(0, os.SEEK_END)

    def opened(self) -> BinaryIO:
        """Open the same bytes again, with a separate position and buffer."""
        return io.BufferedReader(Window(self.file, self.start, self.start + self.size, self.patches), 2**16)
