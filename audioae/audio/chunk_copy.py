"""Chunks around the sound, from one file to another.

They keep their bytes, their order and their side of the sound. Those that describe the sound itself are the result's own.
"""

import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from audioae.audio.chunks import AIFF, RF64, W64, Grammar, extensible, find, grammar, names, walk

COPY_BYTES = 2**22
"""Bytes that are moved at a time."""


def transfer(source: BinaryIO, target: Path) -> list[str]:
    """Copy the chunks of ``source`` beside the sound to ``target``, and how its format chunk extends the format.

    Returns:
        The names of chunks that found no room in a file with 32-bit sizes.
    """
    before = grammar(source)
    with open(target, "rb+") as file:
        after = grammar(file)
        if before is None or after is None or not before.same_as(after):
            return names(source)
        _extend_format(source, before, file, after)
        first, middle, last = _beside(source, before)
        if after is W64:  # libsndfile takes what follows the sound for sound
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
        _state_size(file, after)
    return []


def state_speakers(target: Path, mask: int) -> bool:
    """Write the mask of loudspeakers into a WAVE_FORMAT_EXTENSIBLE file; False where the file has no such format."""
    with open(target, "rb+") as file:
        rules = grammar(file)
        form = find(file, rules, rules.form) if rules is not None and rules.form.startswith(b"fmt ") else None
        if rules is None or form is None or form.stop - form.start < 40:
            return False
        file.seek(form.start + 20)
        file.write(struct.pack(f"{rules.order}I", mask))
    return True


def state_frames(target: Path, frames: int) -> None:
    """Correct the length of an AIFF: libsndfile counts the byte that fills up an odd number of bytes as a frame."""
    with open(target, "rb+") as file:
        if grammar(file) is not AIFF:
            return
        form, sound = find(file, AIFF, b"COMM"), find(file, AIFF, b"SSND")
        assert form is not None and sound is not None, "libsndfile writes both"
        file.seek(form.start + 2)
        (told,) = struct.unpack(">I", file.read(4))
        width = (sound.stop - sound.start - AIFF.lead) // max(told, 1)
        if told == frames + 1 and width == 1:
            file.seek(form.start + 2)
            file.write(struct.pack(">I", frames))
            file.seek(sound.header + 4)
            file.write(struct.pack(">I", frames + AIFF.lead))


def _extend_format(source: BinaryIO, before: Grammar, file: BinaryIO, after: Grammar) -> None:
    """Loudspeakers, valid bits and kind (Ambisonics) of WAVE_FORMAT_EXTENSIBLE, where the samples are stored alike."""
    if not before.form.startswith(b"fmt "):
        return
    told, made = extensible(source, before), extensible(file, after)
    if len(told) >= 40 and len(told) == len(made) and told[:18] == made[:18]:
        chunk = find(file, after, after.form)
        assert chunk is not None, "its content has just been read"
        file.seek(chunk.start)
        file.write(told)


Ranges = list[tuple[int, int]]


def _beside(file: BinaryIO, rules: Grammar) -> tuple[Ranges, Ranges, Ranges]:
    """Places of the chunks to keep: before the format, between it and the sound, and after the sound."""
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
    """Move what follows back, block by block from the end, and write the ranges into the gap."""
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
    """Write the ranges where the file stands, each filled up to whole steps."""
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
