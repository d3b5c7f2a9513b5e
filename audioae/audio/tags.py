"""Tags and other data around the sound, from one file to another of the same container; the only module that knows mutagen.

WAV and RF64 files keep every chunk that does not describe the sound itself: INFO, bext, iXML, id3, cue and the like.
"""

import struct
import warnings
from pathlib import Path
from typing import BinaryIO

from mutagen import File as MutagenFile
from mutagen import MutagenError

from audioae.errors import AudioaeWarning

RIFF = {"WAV", "WAVEX", "RF64"}
BY_MUTAGEN = {"FLAC", "OGG", "MP3", "AIFF"}
SOUND_CHUNKS = {b"fmt ", b"data", b"fact", b"PEAK", b"ds64", b"JUNK", b"PAD ", b"FLLR", b"junk"}
MOST_BYTES = 64 * 2**20
"""Larger chunks are not tags."""
_UNKNOWN = 0xFFFFFFFF


def copies(before: str, after: str) -> bool:
    """Whether :func:`copy` carries over everything between these containers, so that nothing else has to."""
    return (before in RIFF and after in RIFF) or (before == after and before in BY_MUTAGEN)


def copy(source: Path, target: Path, container: str) -> None:
    """All tags and pictures of ``source`` to ``target``, files for which :func:`copies` holds.

    Warns:
        AudioaeWarning: they cannot be copied; the sound is not touched then.
    """
    try:
        if container in RIFF:
            _copy_chunks(source, target)
        else:
            _copy_tags(source, target)
    except (MutagenError, OSError, ValueError, struct.error) as error:
        warnings.warn(f"{source}: its tags could not be copied ({error})", AudioaeWarning, stacklevel=2)


def _copy_tags(source: Path, target: Path) -> None:
    before, after = MutagenFile(source), MutagenFile(target)
    if before is None or after is None or not (before.tags or getattr(before, "pictures", None)):
        return
    if after.tags is None:
        after.add_tags()
    after.tags.clear()
    for key, value in before.tags.items():
        after.tags[key] = value
    for picture in getattr(before, "pictures", None) or []:
        after.add_picture(picture)
    after.save()


def _copy_chunks(source: Path, target: Path) -> None:
    chunks = b""
    with open(source, "rb") as file:
        for name, start, size in _chunks(file):
            if name not in SOUND_CHUNKS and size <= MOST_BYTES:
                file.seek(start)
                content = file.read(size)
                chunks += name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    if not chunks:
        return
    with open(target, "rb+") as file:
        kind = file.read(4)
        end = file.seek(0, 2)
        if end % 2:
            file.write(b"\0")
        file.write(chunks)
        size = file.tell() - 8
        if kind == b"RF64":
            file.seek(20)  # RIFF size, the first field of the ds64 chunk, which comes first
            file.write(struct.pack("<Q", size))
        elif size < _UNKNOWN:
            file.seek(4)
            file.write(struct.pack("<I", size))
        else:
            file.truncate(end)


def _chunks(file: BinaryIO) -> list[tuple[bytes, int, int]]:
    """Name, place and size of every chunk."""
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return []  # big-endian RIFX, or a WAV only in name
    found, long_data = [], None
    while len(header := file.read(8)) == 8:
        name, size = header[:4], struct.unpack("<I", header[4:])[0]
        start = file.tell()
        if name == b"ds64":
            long_data = struct.unpack("<Q", file.read(16)[8:])[0]
        if name == b"data" and size == _UNKNOWN and long_data is not None:
            size = long_data
        found.append((name, start, size))
        file.seek(start + size + size % 2)
    return found
