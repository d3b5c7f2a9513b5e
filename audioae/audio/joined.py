"""Start positions of recordings that were concatenated into one file.

libsndfile reads the first recording only, without an error.
"""

import os
import struct
from collections.abc import Iterator
from itertools import chain, islice
from typing import BinaryIO, NamedTuple

from audioae.audio import chunks

SEARCH_BYTES = 2**20
_OGG = struct.Struct("<4sBBqIIIB")
_BEGINS = 0x02
_STREAMINFO = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
_MARKS = {
    b"Crea": b"Creative Voice File\x1a",
    b"NIST": b"NIST_1A\n   1024\n",
    b" paf": b" paf\0\0\0\0",
    b"fap ": b"fap \0\0\0\0",
}
"""Beginnings of VOC, NIST and PAF files, by their first four bytes."""
_MPEG_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MPEG_KBIT = {
    (3, 3): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By version (3: MPEG 1, 2: MPEG 2 and 2.5) and the code of the layer (3: I, 2: II, 1: III)."""
_SPARE_FRAMES = 3
"""Tolerated error of the number of frames in an MP3 header; some encoders are wrong by one or two."""


def starts(file: BinaryIO, search_all: bool = True) -> list[int]:
    """Start positions of all recordings in a file.

    Args:
        file: a seekable file of any format.
        search_all: search FLAC, Ogg and MP3 too, which takes a pass through the file.
    """
    mark = _at(file, 0, 4)
    search = {b"OggS": _ogg, b"fLaC": _flac, b".snd": _au, b"dns.": _au, **dict.fromkeys(_MARKS, _marked)}.get(mark)
    if search is None and chunks.grammar(file) is not None:
        search = _chunked
    elif not search_all:
        search = search if search is _au else None
    elif search is None and _is_frame(file, _after_tag(file, 0)):
        search = _mpeg
    return [0, *search(file)] if search is not None else [0]


def is_counted(file: BinaryIO) -> bool:
    """Whether an MP3 states its number of frames; otherwise libsndfile estimates the length."""
    return any(_description(file, at, frame)[1] is not None for at, frame in islice(_frames(file), 1))


def _ogg(file: BinaryIO) -> Iterator[int]:
    """Pages that start a stream after others have ended; streams that start together belong to one recording."""
    at, begun = 0, True
    while len(page := _at(file, at, _OGG.size)) == _OGG.size:
        mark, version, kind, *_, segments = _OGG.unpack(page)
        if mark != b"OggS" or version:  # damage
            found = next(positions(file, b"OggS", at + 1), None)
            if found is None:
                return
            at = found
            continue
        begins = bool(kind & _BEGINS)
        if begins and not begun:
            yield at
        begun = begins
        at += _OGG.size + segments + sum(_at(file, at + _OGG.size, segments))


def _flac(file: BinaryIO) -> Iterator[int]:
    """Marks followed by the first metadata block, which has a fixed size."""
    yield from (at for at in positions(file, b"fLaC", 4) if _at(file, at, 8) in _STREAMINFO)


def _marked(file: BinaryIO) -> Iterator[int]:
    """The beginning of a header of the same format, which libsndfile would read as sound."""
    yield from positions(file, _MARKS[_at(file, 0, 4)], 1)


def _au(file: BinaryIO) -> Iterator[int]:
    at = 0
    while True:
        head = _at(file, at, 12)
        order = {b".snd": ">", b"dns.": "<"}.get(head[:4])
        if len(head) < 12 or order is None:
            return
        if at:
            yield at
        start, size = struct.unpack(f"{order}II", head[4:])
        at += start + size


def _chunked(file: BinaryIO) -> Iterator[int]:
    """RIFF, RF64, AIFF, CAF and W64 by their first bytes after the last chunk of the previous recording."""
    rules = chunks.grammar(file)
    assert rules is not None, "checked by the caller"
    first = _at(file, 0, 16)
    mark = slice(0, {1: 6, 8: 16}.get(rules.align, 4))
    kinds = {b"AIFF", b"AIFC"} if first[8:12] in (b"AIFF", b"AIFC") else {first[8:12]}
    begins = 0
    while True:
        for chunk in chunks.walk(file, rules, begins):
            if chunk.name[:4] != first[:4]:
                continue
            head = _at(file, chunk.header, 16)
            if head[mark] == first[mark] and (mark.stop != 4 or head[8:12] in kinds):
                begins = chunk.header
                yield begins
                break
        else:
            return


class _Frame(NamedTuple):
    """A frame of MPEG audio."""

    bytes: int
    rate: int
    channels: int
    info: int
    """Position of a Xing header in the frame."""


def _mpeg(file: BinaryIO) -> Iterator[int]:
    """Frames with a new header, after the stated number of frames, or with another rate or number of channels."""
    before: _Frame | None = None
    left, ended = None, 0
    for at, frame in _frames(file):
        described, frames = _description(file, at, frame)
        changes = before is not None and (frame.rate, frame.channels) != (before.rate, before.channels)
        if before is not None and (described or changes):
            yield at
        if before is None or described or changes:
            left = frames
        elif left is not None:
            left -= 1
            ended = at if left == -1 else ended
            if left == -_SPARE_FRAMES:
                yield ended
                left = None
        before = frame


def _frames(file: BinaryIO) -> Iterator[tuple[int, _Frame]]:
    """All frames with their positions; tags and damaged parts are skipped."""
    at = 0
    while len(head := _at(file, at, 16)) >= 4:
        if head[:3] == b"ID3":
            at = _after_tag(file, at)
        elif head[:3] == b"TAG":
            at += 128
        elif head[:8] == b"APETAGEX":
            at += 32 + struct.unpack("<I", head[12:16])[0]
        elif (frame := _parsed(head)) is not None:
            yield at, frame
            at += frame.bytes
        else:
            found = next((place for place in positions(file, b"\xff", at + 1) if _is_frame(file, place)), None)
            if found is None:
                return
            at = found


def _after_tag(file: BinaryIO, at: int) -> int:
    """End of the ID3 tag at this position; the same position without a tag."""
    head = _at(file, at, 10)
    if len(head) < 10 or head[:3] != b"ID3":
        return at + 3 * (head[:3] == b"ID3")
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    return at + 10 + size + (10 if head[5] & 0x10 else 0)


def _is_frame(file: BinaryIO, at: int) -> bool:
    """Whether there is a frame at this position, followed by a frame of the same kind."""
    first = _parsed(_at(file, at, 4))
    second = _parsed(_at(file, at + first.bytes, 4)) if first is not None else None
    return first is not None and second is not None and first[1:] == second[1:]


def _parsed(head: bytes) -> _Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    code, step, padded = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 0 or code in (0, 15) or step == 3:
        return None
    table = 2 if version != 3 else 3
    bits = 1000 * _MPEG_KBIT[(table, 2 if table == 2 and layer == 1 else layer)][code]
    rate = _MPEG_RATES[version][step]
    channels = 1 if head[3] >> 6 == 3 else 2
    if layer == 3:
        size = (12 * bits // rate + padded) * 4
    else:
        size = (72 if layer == 1 and table == 2 else 144) * bits // rate + padded
    side = {(3, 2): 32, (3, 1): 17, (2, 2): 17, (2, 1): 9}[(table, channels)]
    return _Frame(size, rate, channels, 4 + side)


def _description(file: BinaryIO, at: int, frame: _Frame) -> tuple[bool, int | None]:
    """Whether a frame is a header of a recording, and the number of frames that it states."""
    data = _at(file, at, frame.info + 12)
    xing, vbri = data[frame.info :], data[36:]
    if xing[:4] in (b"Xing", b"Info"):
        known = len(xing) >= 12 and xing[7] & 1
        return True, struct.unpack(">I", xing[8:12])[0] if known else None
    if vbri[:4] == b"VBRI":
        return True, struct.unpack(">I", _at(file, at + 50, 4))[0]
    return False, None


def _at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def positions(file: BinaryIO, needle: bytes, at: int) -> Iterator[int]:
    """All positions of the needle from ``at``."""
    end = file.seek(0, os.SEEK_END)
    step = SEARCH_BYTES
    blocks = ((place, _at(file, place, step + len(needle) - 1)) for place in range(at, end, step))
    return chain.from_iterable(_places(data, needle, place) for place, data in blocks)


def _places(data: bytes, needle: bytes, first: int) -> Iterator[int]:
    found = data.find(needle)
    while found >= 0:
        yield first + found
        found = data.find(needle, found + 1)
