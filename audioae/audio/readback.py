"""Reads finished files back before they replace others."""

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from audioae.audio.files import READ_FRAMES, name_for_libsndfile

# libsndfile reports a header with a wrong size in its log only.
_SIZES = re.compile(
    r"^\s*(?:data|SSND|Data Size|riff|Riff size|RIFF|FORM|FORM Size)\s*:\s*\d+ \(should be \d+\)", re.MULTILINE
)

NEARLY = 1e-4
"""Energy of the difference of nearly equal sounds, relative to their own."""


@dataclass(frozen=True)
class FileContents:
    """Contents of a file, read to its end.

    Attributes:
        rate: Hz.
        channels: C.
        frames: N, number of frames that could be read.
        sum: checksum of the first frames.
        sizes: first wrong size in the header; empty if all are correct.
    """

    rate: int
    channels: int
    frames: int
    sum: int
    sizes: str = ""


def read_back(path: Path, kind: str, counted: int) -> FileContents:
    """Read a file to its end; the checksum is of the first ``counted`` frames."""
    frames = total = 0
    with soundfile.SoundFile(name_for_libsndfile(path)) as file:
        while len(block := file.read(READ_FRAMES, dtype=kind, always_2d=True)):
            total = zlib.crc32(block[: max(0, counted - frames)], total)
            frames += len(block)
        wrong = _SIZES.search(file.extra_info)
        return FileContents(file.samplerate, file.channels, frames, total, " ".join(wrong[0].split()) if wrong else "")


def nearly_equal(one: Path, other: Path) -> bool:
    """Whether two files in lossy codecs hold the same sound: their difference is 40 dB below the first one.

    Two runs of a network may differ in the last bit of a sample, from which a codec makes other bytes.
    """
    with soundfile.SoundFile(name_for_libsndfile(one)) as first, soundfile.SoundFile(name_for_libsndfile(other)) as second:
        if (first.samplerate, first.channels) != (second.samplerate, second.channels):
            return False
        energy = error = 0.0
        while len(block := first.read(READ_FRAMES, always_2d=True)):
            there = second.read(READ_FRAMES, always_2d=True)
            if len(there) != len(block):
                return False
            energy += float(np.square(block).sum())
            error += float(np.square(block - there).sum())
        return not len(second.read(1)) and error <= NEARLY * energy
