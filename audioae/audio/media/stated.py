"""The size that the header of a media file states, by which a truncated file is noticed without decoding it."""

import os
from typing import BinaryIO

_MATROSKA, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""Object of ASF with the size of the file."""
_MP4 = (b"ftyp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip", b"styp", b"sidx")
_NEEDED = (b"moov", b"mdat", b"moof")
_UNKNOWN = (0, 2**32 - 1)
"""Sizes that programs write to a pipe, for an unknown size."""
MOST_CHUNKS = 100_000


def missing_bytes(file: BinaryIO) -> int:
    """Bytes that a truncated AVI, MP4, Matroska or ASF lacks by its header; 0 if none, or if nothing is stated.

    >>> import io
    >>> missing_bytes(io.BytesIO(b"RIFF" + bytes([200, 0, 0, 0]) + b"AVI " + bytes(100)))
    96
    """
    end = file.seek(0, os.SEEK_END)
    head = _at(file, 0, 16)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        stated = _riff(file, end)
    elif head[:4] == _MATROSKA:
        stated = _matroska(file)
    elif head == _ASF:
        stated = _asf(file)
    else:
        stated = _mp4(file, end) if head[4:8] in _MP4 else 0
    return max(0, stated - end)


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _riff(file: BinaryIO, end: int) -> int:
    """End of the last RIFF chunk: a large AVI has several."""
    at = 0
    for _ in range(MOST_CHUNKS):
        head = _at(file, at, 8)
        size = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or size in _UNKNOWN or at + 8 + size > end:
            return at if head[:4] != b"RIFF" or size in _UNKNOWN else at + 8 + size
        at += 8 + size + size % 2
    return 0


def _matroska(file: BinaryIO) -> int:
    """End of the segment, which follows the first header."""
    at = 4
    size, length = _number(_at(file, at, 8))
    at += length + size
    head = _at(file, at, 12)
    size, length = _number(head[4:])
    unknown = size == (1 << 7 * length) - 1
    return 0 if head[:4] != _SEGMENT or not length or unknown else at + 4 + length + size


def _number(data: bytes) -> tuple[int, int]:
    """A size of EBML, and the number of its bytes; zeros if it is damaged."""
    length = 9 - data[0].bit_length() if data and data[0] else 0
    value = int.from_bytes(data[:length], "big") & ((1 << 7 * length) - 1)
    return (value, length) if length and len(data) >= length else (0, 0)


def _asf(file: BinaryIO) -> int:
    size = int.from_bytes(_at(file, 16, 8), "little")
    at = 30
    for _ in range(MOST_CHUNKS):
        head = _at(file, at, 104)
        if len(head) < 104 or at >= size:
            return 0
        if head[:16] == _ASF_FILE:
            live = head[88] & 1  # a broadcast, whose size was not known
            return 0 if live else int.from_bytes(head[40:48], "little")
        at += max(24, int.from_bytes(head[16:24], "little"))
    return 0


def _mp4(file: BinaryIO, end: int) -> int:
    """End of the first atom of sound, pictures or index that goes beyond the end of the file."""
    at = 0
    for _ in range(MOST_CHUNKS):
        head = _at(file, at, 16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8:  # to the end of the file, or damage
            return 0
        at += size
        if at > end:
            return at if name in _NEEDED else 0
    return 0
