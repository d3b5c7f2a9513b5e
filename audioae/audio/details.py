"""Facts that libsndfile does not report: bit rate and channel layout."""

import os
import struct
from dataclasses import replace
from typing import Any, BinaryIO

from mutagen import MutagenError
from mutagen.flac import FLAC
from mutagen.mp3 import MP3, BitrateMode
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from audioae.audio import chunks
from audioae.audio.formats import CODED, AudioInfo

FLAC_SPEAKERS = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"
_DAMAGED = (MutagenError, OSError, ValueError, KeyError, IndexError, struct.error)
"""Exceptions that mutagen raises for damaged files."""


def described(info: AudioInfo, file: BinaryIO) -> AudioInfo:
    """``info`` with the bit rate and the channel mask of the file."""
    if info.subtype in CODED:
        bitrate, constant = measured(file, info)
        return replace(info, bitrate=bitrate, constant=constant)
    if info.container == "FLAC" and info.channels > 2:
        return replace(info, speakers=flac_speakers(file, info))
    if info.container in ("WAVEX", "RF64", "W64"):
        return replace(info, speakers=chunks.speakers(file))
    return info


def tagged(file: BinaryIO, info: AudioInfo) -> Any:
    """A FLAC, MP3 or Ogg file opened by mutagen, in the format found by libsndfile.

    Raises:
        MutagenError: the file is damaged.
    """
    file.seek(0)
    kinds = {"FLAC": FLAC, "MP3": MP3, "OGG": OggOpus if info.subtype == "OPUS" else OggVorbis}
    return kinds[info.container](file)


def measured(file: BinaryIO, info: AudioInfo) -> tuple[int, bool]:
    """The bit rate of a recording, 0 if unknown, and whether it is constant.

    Args:
        file: an MP3 or Ogg file.
        info: its format.
    """
    try:
        size = file.seek(0, os.SEEK_END)
        found = tagged(file, info)
    except _DAMAGED:
        return 0, False
    seconds = getattr(found.info, "length", 0)
    bits = getattr(found.info, "bitrate", 0) or (8 * size / seconds if seconds else 0)
    constant = getattr(found.info, "bitrate_mode", None) in (BitrateMode.CBR, BitrateMode.UNKNOWN)
    return int(bits), constant


def flac_speakers(file: BinaryIO, info: AudioInfo) -> int:
    """The channel mask in the comments of a FLAC file; 0 without one."""
    try:
        return int((tagged(file, info).tags or {}).get(FLAC_SPEAKERS, ["0"])[0], 0)
    except _DAMAGED:
        return 0
