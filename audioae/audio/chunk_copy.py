"""Copies chunks around the sound from one file to another.

Chunks keep their bytes, their order and their position before or after the sound. Chunks that describe the sound are not
copied.
"""

import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from audioae.audio.chunks import AIFF, RF64, W64, Grammar, counted_padding, extensible, find, grammar, names, walk

COPY_BYTES = 2**22
"""Bytes per read and write."""


def transfer(source: BinaryIO, target: Path) -> list[str]:
    """Copy all chunks of ``source`` except the sound to ``target``, and extensions of the format chunk.

    Returns:
        The names of chunks that do not fit into a file with 32-bit sizes.
    """
    before = grammar(source)
    with open(target, "rb+") as file:
        after = grammar(file)
        if before is None or after is None or not before.same_as(after):
            return names(source)
        _extend_format(source, before, file, after)
        first, middle, last = _other_chunks(source, before)
        if after is W64:  # libsndfile reads chunks after the sound as sound
            middle, last = middle + last, []
        end = file.seek(0, os.SEEK_END)
        room = 2**32 - 2**16 if after.total and not after.wide and after is not RF64 else 2**62
        if end + sum(stop - start for start, stop in first + middle + last) > room:
            return names(source)
        _append(source, last, file, after)
        form, sound = find(file, after, after.form), find(file, after, after.sound)
        assert form is not None and sound is not None, "libsndfile writes both"
        _insert(source, middle, file, sound.header, after.align)
        _insert(source, first, file, form.header, after.align)
        for place, size in counted_padding(file).items():
            file.seek(place)
            file.write(size)
        _state_size(file, after)
    return []


def state_speakers(target: Path, mask: int) -> bool:
    """Write the channel mask of a WAVE_FORMAT_EXTENSIBLE file; returns False for other formats."""
    with open(target, "rb+") as file:
        rules = grammar(file)
        form = find(file, rules, rules.form) if rules is not None and rules.form.startswith(b"fmt ") else None
        if rules is None or form is None or form.stop - form.start < 40:
            return False
        file.seek(form.start + 20)
        file.write(struct.pack(f"{rules.order}I", mask))
    return True


def state_frames(target: Path, frames: int) -> None:
    """Correct the length of an AIFF: libsndfile counts the padding byte of an odd number of bytes as a frame."""
    with open(target, "rb+") as file:
        if grammar(file) is not AIFF:
            return
        form, sound = find(file, AIFF, b"COMM"), find(file, AIFF, b"SSND")
        assert form is not None and sound is not None, "libsndfile writes both"
        file.seek(form.start + 2)
        (stated,) = struct.unpack(">I", file.read(4))
        width = (sound.stop - sound.start - AIFF.lead) // max(stated, 1)
        if stated == frames + 1 and width == 1:
            file.seek(form.start + 2)
            file.write(struct.pack(">I", frames))
            file.seek(sound.header + 4)
            file.write(struct.pack(">I", frames + AIFF.lead))


def _extend_format(source: BinaryIO, before: Grammar, file: BinaryIO, after: Grammar) -> None:
    """Copy channel mask, valid bits and kind (Ambisonics) of WAVE_FORMAT_EXTENSIBLE, if the sample formats are equal."""
    if not before.form.startswith(b"fmt "):
        return
    given, made = extensible(source, before), extensible(file, after)
    if len(given) >= 40 and len(given) == len(made) and given[:18] == made[:18]:
        chunk = find(file, after, after.form)
        assert chunk is not None, "its content has just been read"
        file.seek(chunk.start)
        file.write(given)


Ranges = list[tuple[int, int]]


def _other_chunks(file: BinaryIO, rules: Grammar) -> tuple[Ranges, Ranges, Ranges]:
    """Byte ranges of the chunks to copy: before the format, between format and sound, and after the sound."""
    parts: tuple[Ranges, Ranges, Ranges] = ([], [], [])
    place = 0
    for chunk in walk(file, rules):
        if chunk.name == rules.sound:
            place = 2
        elif chunk.name == rules.form:
            place = max(place, 1)
        elif chunk.name not in rules.own and chunk.whole:
            into = parts[place]
            if into and into[-1][1] + -into[-1][1] % rules.align == chunk.header:
                into[-1] = (into[-1][0], chunk.stop)
            else:
                into.append((chunk.header, chunk.stop))
    return parts


def _append(source: BinaryIO, ranges: Ranges, file: BinaryIO, rules: Grammar) -> None:
    if ranges:
        end = file.seek(0, os.SEEK_END)
        file.write(bytes(-end % rules.align))
        _copy(source, ranges, file, rules.align)


def _insert(source: BinaryIO, ranges: Ranges, file: BinaryIO, at: int, align: int) -> None:
    """Move the rest of the file back, block by block from the end, and write the ranges into the gap."""
    gap = sum(stop - start + -(stop - start) % align for start, stop in ranges)
    if not gap:
        return
    end = file.seek(0, os.SEEK_END)
    edges = [*range(end, at, -COPY_BYTES), at]
    for stop, start in pairwise(edges):
        file.seek(start)
        block = file.read(stop - start)
        file.seek(start + gap)
        file.write(block)
    file.seek(at)
    _copy(source, ranges, file, align)


def _copy(source: BinaryIO, ranges: Ranges, file: BinaryIO, align: int) -> None:
    """Write the ranges at the current position, each padded to ``align``."""
    for start, stop in ranges:
        source.seek(start)
        left = stop - start
        while left:
            block = source.read(min(left, COPY_BYTES))
            if not block:
                raise OSError("the recording became shorter meanwhile")
            file.write(block)
            left -= len(block)
        file.write(bytes(-(stop - start) % align))


def _state_size(file: BinaryIO, rules: Grammar) -> None:
    if rules.total is not None:
        size = file.seek(0, os.SEEK_END)
        place, uncounted = rules.total
        wide = "Q" if rules.wide or rules is RF64 else "I"
        file.seek(place)
        file.write(struct.pack(rules.order + wide, size - uncounted))
