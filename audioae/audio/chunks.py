"""Chunks of RIFF, RF64, AIFF, CAF and W64 files and their positions."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

WALK_BYTES = 2**12
_UNKNOWN = (0xFFFFFFFF, 2**64 - 1)
_EXTENSIBLE = 0xFFFE
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")


class Chunk(NamedTuple):
    """One chunk: name, start of the header, start and end of the content, and whether it is complete."""

    name: bytes
    header: int
    start: int
    stop: int
    whole: bool


@dataclass(frozen=True)
class Grammar:
    """Layout of the chunks of a container.

    Attributes:
        order: ``<`` or ``>``, the byte order of sizes.
        name: bytes of a chunk's name.
        wide: whether sizes have 8 bytes instead of 4.
        first: position of the first chunk.
        align: alignment of chunks in bytes.
        counts_header: whether a chunk's size includes its header.
        total: position of the size of the file, and the number of bytes that it does not count; None without such a field.
        form: name of the format chunk.
        sound: name of the chunk of samples.
        lead: bytes before the first sample in the chunk of samples.
        own: further chunks that describe the samples or are padding, which are not copied.
    """

    order: str
    form: bytes
    sound: bytes
    name: int = 4
    wide: bool = False
    first: int = 12
    align: int = 2
    counts_header: bool = False
    total: tuple[int, int] | None = (4, 8)
    lead: int = 0
    own: frozenset[bytes] = frozenset()

    @property
    def size_field(self) -> struct.Struct:
        """Format of the size field of a chunk."""
        return struct.Struct(self.order + ("Q" if self.wide else "I"))

    def same_as(self, other: "Grammar") -> bool:
        """Whether chunks can be copied between the containers without changes."""
        return (self.order, self.form, self.sound) == (other.order, other.form, other.sound)


_WAVE_OWN = frozenset({b"fact", b"PEAK", b"ds64", b"JUNK", b"junk", b"PAD ", b"FLLR", b"levl", b"MD5 "})
_RIFF = Grammar("<", b"fmt ", b"data", own=_WAVE_OWN)
RF64 = Grammar("<", b"fmt ", b"data", own=_WAVE_OWN, total=(20, 8))
_RIFX = Grammar(">", b"fmt ", b"data", own=_WAVE_OWN)
AIFF = Grammar(">", b"COMM", b"SSND", own=frozenset({b"FVER", b"PEAK"}), lead=8)
_SVX = Grammar(">", b"VHDR", b"BODY", own=frozenset({b"CHAN"}))
CAF = Grammar(
    ">", b"desc", b"data", wide=True, first=8, align=1, total=None, lead=4,
    own=frozenset({b"pakt", b"kuki", b"peak", b"free"}),
)  # fmt: skip
W64 = Grammar(
    "<", b"fmt " + _W64_TAIL, b"data" + _W64_TAIL, name=16, wide=True, first=40, align=8, counts_header=True,
    total=(16, 0), own=frozenset({b"fact" + _W64_TAIL}),
)  # fmt: skip


def grammar(file: BinaryIO) -> Grammar | None:
    """The layout of a file; None for other containers."""
    file.seek(0)
    head = file.read(40)
    if head[8:12] == b"WAVE":
        return {b"RIFF": _RIFF, b"RF64": RF64, b"RIFX": _RIFX}.get(head[:4])
    if head[:4] == b"FORM":
        return {b"AIFF": AIFF, b"AIFC": AIFF, b"8SVX": _SVX, b"16SV": _SVX}.get(head[8:12])
    if head[:4] == b"caff":
        return CAF
    return W64 if head[:4] == b"riff" and head[24:28] == b"wave" else None


def walk(file: BinaryIO, rules: Grammar, begin: int = 0) -> Iterator[Chunk]:
    """All chunks of the file that starts at ``begin``, in order. A truncated chunk ends at the end of the file.

    The walk ends at bytes that are not the name of a chunk; names are printable.
    """
    end = file.seek(0, os.SEEK_END)
    at, long_data = begin + rules.first, None
    field, length = rules.size_field, rules.name + rules.size_field.size
    # Many small chunks are read at once, because files may have a million of them.
    data, first = b"", 0
    while at + length <= end:
        if not first <= at <= first + len(data) - length:
            file.seek(at)
            data, first = file.read(max(length, WALK_BYTES)), at
            if len(data) < length:
                return
        name = data[at - first : at - first + rules.name]
        if rules.name == 4 and not (name.isascii() and name.decode("ascii").isprintable()):
            return
        (size,) = field.unpack_from(data, at - first + rules.name)
        start = at + length
        if name == b"ds64" and rules is RF64:
            file.seek(start)
            long_data = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
        if name == rules.sound and size in _UNKNOWN:
            size = long_data if long_data is not None else end - start
        elif rules.counts_header:
            size -= length
        stop = min(start + max(size, 0), end)
        yield Chunk(name, at, start, stop, stop - start == size)
        at = stop + -(stop - begin) % rules.align


def find(file: BinaryIO, rules: Grammar, name: bytes) -> Chunk | None:
    """The first chunk of a name."""
    return next((chunk for chunk in walk(file, rules) if chunk.name == name), None)


def end_of_sound(file: BinaryIO) -> int | None:
    """End of the sound of a W64; None for other files."""
    rules = grammar(file)
    sound = find(file, rules, rules.sound) if rules is W64 else None
    return sound.stop if sound is not None and sound.whole else None


def counted_padding(file: BinaryIO) -> dict[int, bytes]:
    """Sizes of the chunks before the sound of an RF64 file that include their padding, by position.

    libsndfile does not skip the padding there, and then finds no sound.
    """
    sizes: dict[int, bytes] = {}
    for chunk in walk(file, RF64) if grammar(file) is RF64 else ():
        size = chunk.stop - chunk.start
        if chunk.name == RF64.sound:
            return sizes
        if size % 2:
            sizes[chunk.start - RF64.size_field.size] = RF64.size_field.pack(size + 1)
    return {}


class Surplus(NamedTuple):
    """Bytes after the sound that are not a chunk, which are sound beyond the length in the header.

    Attributes:
        amount: number of bytes.
        silent: whether the header states a length of zero.
        place: position of the size of the sound.
        size: size field that includes these bytes.
    """

    amount: int
    silent: bool
    place: int
    size: bytes


def surplus(file: BinaryIO) -> Surplus | None:
    """Bytes after the last chunk; None if there are none, or if the file has no chunks."""
    rules = grammar(file)
    if rules is None:
        return None
    sound, after = None, 0
    for chunk in walk(file, rules):
        if chunk.name == rules.sound and sound is None:
            sound = chunk
        elif not chunk.whole:
            break
        after = chunk.stop + -chunk.stop % rules.align
    end = file.seek(0, os.SEEK_END)
    if sound is None or after >= end:
        return None
    silent = sound.stop - sound.start <= rules.lead
    place, field, size = sound.header + rules.name, rules.size_field, end - sound.start
    if rules is RF64 and (sizes := find(file, rules, b"ds64")) is not None:
        place, field = sizes.start + 8, struct.Struct("<Q")
    elif rules.counts_header:
        size += sound.start - sound.header
    elif not rules.wide and size >= _UNKNOWN[0]:
        size = _UNKNOWN[0]
    return Surplus(end - (sound.start if silent else after), silent, place, field.pack(size))


def names(file: BinaryIO) -> list[str]:
    """Names of all chunks except the sound and its description, without repetition."""
    rules = grammar(file)
    if rules is None:
        return []
    apart = {rules.form, rules.sound} | rules.own
    found = dict.fromkeys(chunk.name[:4] for chunk in walk(file, rules) if chunk.name not in apart)
    return [name.decode("ascii", "replace").strip() for name in found]


def speakers(file: BinaryIO) -> int:
    """The channel mask of WAVE_FORMAT_EXTENSIBLE; 0 if the file has none."""
    rules = grammar(file)
    form = extensible(file, rules) if rules is not None and rules.form.startswith(b"fmt ") else b""
    return struct.unpack_from(f"{rules.order}I", form, 20)[0] if rules is not None and len(form) >= 40 else 0


def extensible(file: BinaryIO, rules: Grammar) -> bytes:
    """The content of a WAVE_FORMAT_EXTENSIBLE chunk; empty for other formats."""
    chunk = find(file, rules, rules.form)
    if chunk is None:
        return b""
    file.seek(chunk.start)
    form = file.read(min(chunk.stop - chunk.start, 2**12))
    return form if len(form) >= 16 and struct.unpack_from(f"{rules.order}H", form)[0] == _EXTENSIBLE else b""
