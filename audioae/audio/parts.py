"""Byte ranges of the recordings in a file, which libsndfile reads one by one."""

import os
import struct
from itertools import pairwise
from typing import BinaryIO

from audioae.audio import chunks, joined
from audioae.audio.window import Window
from audioae.errors import InputError

NEGLIGIBLE = 64
"""Bytes after the sound that are ignored without a note."""


def parts(file: BinaryIO, name: str, notes: list[str], salvage: bool = False, all_of_them: bool = True) -> list[Window]:
    """The recordings in a file. With ``salvage``, headers with too short a length are corrected.

    Args:
        file: a seekable file.
        name: name of the file for messages.
        notes: list to which notes for the user are added.
        salvage: include sound beyond the length in the header.
        all_of_them: search for further recordings also in formats where this reads the whole file.

    Raises:
        InputError: the header states a length of zero, but there is sound, without ``salvage``.
    """
    end = file.seek(0, os.SEEK_END)
    begins = joined.starts(file, all_of_them)
    windows = [Window(file, start, stop) for start, stop in pairwise([*begins, end])]
    for window in windows:
        window.patches = _unannounced(window.opened(), name, salvage, notes)
    if len(windows) > 1:
        notes.append(f"{len(windows)} concatenated recordings in the file become one")
    return windows


def sound(part: Window) -> Window:
    """The part of a file for libsndfile.

    A W64 goes without the chunks after the sound, which libsndfile would read as sound; in RF64, chunks before the sound
    include their padding, which libsndfile would not skip.
    """
    if patches := chunks.counted_padding(part.opened()):
        return Window(part.file, part.start, part.start + part.size, {**patches, **part.patches})
    end = None if part.patches else chunks.end_of_sound(part.opened())
    return part if end is None else Window(part.file, part.start, part.start + end, {16: struct.pack("<Q", end)})


def _unannounced(file: BinaryIO, name: str, salvage: bool, notes: list[str]) -> dict[int, bytes]:
    """Corrections of a header that states too short a length."""
    surplus = chunks.surplus(file)
    if surplus is None or surplus.amount <= NEGLIGIBLE:
        return {}
    if salvage:
        notes.append(f"{surplus.amount} bytes beyond the length in the header were read as sound")
        return {surplus.place: surplus.size}
    if surplus.silent:
        raise InputError(
            f"{name}: its header states a length of zero, but {surplus.amount} bytes of sound follow, as after a loss of "
            "power while recording (--salvage reads them)"
        )
    notes.append(f"{surplus.amount} bytes after the sound are not a chunk and are left out (--salvage reads them as sound)")
    return {}
