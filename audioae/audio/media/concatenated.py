"""Recordings that were concatenated into one media file, of which FFmpeg reads the first without an error.

In other formats the timestamps go back, or the length differs from the stated one, which is noticed while reading.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO

from audioae.audio.joined import positions

_TTA = b"TTA1\x01\x00"


def count_recordings(file: BinaryIO) -> int:
    """Number of concatenated MP4, MOV or TTA recordings in a seekable file; 1 for other formats.

    >>> import io
    >>> one = bytes.fromhex("00000008") + b"ftyp" + bytes.fromhex("00000008") + b"moov"
    >>> count_recordings(io.BytesIO(one + one))
    2
    """
    file.seek(0)
    head = file.read(8)
    if head.startswith(_TTA):
        return 1 + sum(1 for _ in positions(file, _TTA, 1))
    if head[4:] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return 1
    atoms = list(_atoms(file))
    # Fragments have indexes of their own, with timestamps.
    return 1 if b"moof" in atoms else max(1, atoms.count(b"moov"))


def _atoms(file: BinaryIO) -> Iterator[bytes]:
    """Names of the top-level atoms of an MP4."""
    end, at = file.seek(0, os.SEEK_END), 0
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        yield name
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8:  # to the end of the file, or damage
            return
        at += size
