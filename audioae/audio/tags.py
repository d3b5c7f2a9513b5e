"""Copies tags and other data around the sound from one file to another.

Within one container everything is copied: chunks of RIFF, RF64, AIFF, CAF and W64 byte by byte; tags and pictures of FLAC,
Ogg and MP3. Between containers, common tags such as title and artist are copied, and the rest is reported. Only this module
and :mod:`~audioae.audio.details` import mutagen.
"""

import struct
from pathlib import Path
from typing import BinaryIO

from mutagen import MutagenError
from mutagen.apev2 import APENoHeaderError, APEv2

from audioae.audio import chunk_copy, chunks
from audioae.audio.details import FLAC_SPEAKERS, tagged
from audioae.audio.files import Reader
from audioae.audio.formats import WAVE_FILES, AudioInfo, default_speakers
from audioae.audio.writer import Writer

BY_MUTAGEN = {"FLAC", "OGG", "MP3"}
BY_CHUNKS = {"AIFF", "CAF", "W64", "SVX"} | WAVE_FILES
_FLAC_BLOCKS = (2, 5)
"""Codes of FLAC blocks with application data and cue sheets."""
_ACROSS = {
    *("TITLE", "COPYRIGHT", "SOFTWARE", "ENCODER", "ARTIST", "COMMENT", "DESCRIPTION", "DATE", "ALBUM", "LICENSE"),
    *("TRACKNUMBER", "GENRE", "TIT2", "TCOP", "TSSE", "TENC", "TPE1", "COMM", "TDRC", "TYER", "TALB", "TRCK", "TCON"),
    *("LIST", "id3", "ID3", "NAME", "AUTH", "ANNO", "(c)", "info", "chan", FLAC_SPEAKERS),
}
"""Names of tags that libsndfile copies between containers."""


def copies(before: AudioInfo, after: AudioInfo) -> bool:
    """Whether everything is copied between these formats, so that libsndfile need not write tags."""
    same = before.container == after.container
    if before.container in BY_MUTAGEN:
        return same and (before.subtype == after.subtype or before.container != "OGG")
    ordered = "BIG" in (before.endian, after.endian) and before.endian != after.endian
    return (same or {before.container, after.container} <= WAVE_FILES) and before.container in BY_CHUNKS and not ordered


def carry(reader: Reader, writer: Writer) -> list[str]:
    """Copy everything around the sound from the recording to a finished result.

    Returns:
        Notes about data that could not be kept.
    """
    before, after, target = reader.info, writer.info, writer.temporary
    try:
        with reader.first_part() as source:
            if not copies(before, after):
                lost = _lost(reader, source, target)
            elif before.container in BY_MUTAGEN:
                lost = _copy_tags(source, before, target)
            else:
                lost = chunk_copy.transfer(source, target)
            lost += _state_speakers(before, after, target)
    except (MutagenError, OSError, ValueError, struct.error) as error:
        if stopped := system_error(error):
            raise writer.failed(stopped) from None
        return [f"its tags could not be copied ({error})"]
    return [f"{after.container} has no place for {', '.join(lost)}: left out"] if lost else []


def system_error(error: BaseException | None) -> OSError | None:
    """The system's error behind an error of mutagen, if there is one."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        inner = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
        error = inner or error.__cause__ or error.__context__
    return None


def _copy_tags(source: BinaryIO, info: AudioInfo, target: Path) -> list[str]:
    before = tagged(source, info)
    blocks = [block for block in getattr(before, "metadata_blocks", []) if block.code in _FLAC_BLOCKS]
    pictures = getattr(before, "pictures", None) or []
    if before.tags or pictures or blocks:
        with open(target, "rb+") as file:
            after = tagged(file, info)
            if after.tags is None:
                after.add_tags()
            after.tags.clear()
            for key, value in (before.tags or {}).items():
                after.tags[key] = value
            for picture in pictures:
                after.add_picture(picture)
            if blocks:
                after.metadata_blocks.extend(blocks)
            file.seek(0)
            after.save(file)
    if info.container == "MP3":
        _copy_ape(source, target)
    return []


def _copy_ape(source: BinaryIO, target: Path) -> None:
    """Copy APE tags at the end of an MP3."""
    source.seek(0)
    try:
        found = APEv2(source)
    except APENoHeaderError:
        return
    found.save(target)


def _lost(reader: Reader, source: BinaryIO, target: Path) -> list[str]:
    """Tags that the result's container cannot hold."""
    with Reader(target, joined=False) as result:
        fields = [name for name in reader.tags if name not in (*result.tags, "software")]
    if reader.info.container in BY_CHUNKS:
        return fields + [name for name in chunks.names(source) if name not in _ACROSS]
    if reader.info.container not in BY_MUTAGEN:
        return fields
    found = tagged(source, reader.info)
    keys = dict.fromkeys(str(key).partition(":")[0] for key in (found.tags or {}).keys())  # noqa: SIM118 - of Vorbis, pairs
    others = [key for key in keys if key not in _ACROSS and key.upper() not in _ACROSS]
    return fields + others + (["pictures"] if getattr(found, "pictures", None) else [])


def _state_speakers(before: AudioInfo, after: AudioInfo, target: Path) -> list[str]:
    """Write an unusual channel mask of the recording to the result. Returns what could not be written."""
    mask = before.speakers
    if not mask or (after.container in ("WAVEX", "RF64") and chunk_copy.state_speakers(target, mask)):
        return []
    if mask == default_speakers(before.channels):
        return []
    if after.container != "FLAC":
        return [f"the mask of loudspeakers, {mask:#x},"]
    with open(target, "rb+") as file:
        found = tagged(file, after)
        if found.tags is None:
            found.add_tags()
        found.tags[FLAC_SPEAKERS] = f"0x{mask:04X}"
        file.seek(0)
        found.save(file)
    return []
