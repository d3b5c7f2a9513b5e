"""Sources of a stream's samples: raw PCM, or WAV with or without a known length."""

import struct
import warnings
from collections.abc import Callable, Iterator
from typing import Protocol

from audioae.audio.files import MAX_CHANNELS
from audioae.errors import AudioaeWarning, InputError
from audioae.runtime.pcm import ENCODINGS, Pcm

EXTENSIBLE = 0xFFFE
"""Format code in WAV for a code that follows later in the chunk."""
NEARLY_UNKNOWN = (range(0x7FFFF000, 2**31), range(2**32 - 2**12, 2**32), range(2**63 - 2**12, 2**64))
"""Size fields that programs write for an unknown length."""
LONGEST_FORM = 4096
CHUNKS = frozenset(
    name.ljust(4)
    for name in b"LIST id3 ID3 bext iXML axml cue smpl inst fact PEAK JUNK junk PAD FLLR _PMX cart DISP afsp chna".split()
)
"""Chunks that may follow the samples, even if the header does not count them."""
ADVICE = "give raw samples, and --rate to say so"


class Readable(Protocol):
    """A buffered binary file."""

    def read(self, size: int, /) -> bytes:
        """Exactly this many bytes, or fewer at the end."""

    def read1(self, size: int, /) -> bytes:
        """Available bytes, at most this many; none at the end."""


class Source(Protocol):
    """A source of samples."""

    pcm: Pcm

    def chunks(self) -> Iterator[bytes]:
        """Whole frames, as they arrive."""


class RawSource:
    """Samples without a header.

    Args:
        file: file to read.
        pcm: sample format.
        size: number of bytes; None to read to the end.
    """

    def __init__(self, file: Readable, pcm: Pcm, size: int | None = None) -> None:
        self.file, self.pcm, self.size = file, pcm, size
        self._rest = b""
        """Bytes of an incomplete frame."""

    def chunks(self) -> Iterator[bytes]:
        """Whole frames, as soon as they arrive.

        Raises:
            InputError: the stream cannot be read, or is shorter than announced.

        Warns:
            AudioaeWarning: an incomplete frame at the end is dropped.
        """
        yield from self._frames(self.size)
        self._end()

    def _frames(self, left: int | None) -> Iterator[bytes]:
        """The frames of the next ``left`` bytes, or of all until the end."""
        while True:
            whole = len(self._rest) // self.pcm.frame * self.pcm.frame
            if whole:
                yield self._rest[:whole]
                self._rest = self._rest[whole:]
            data = _read(self.file.read1, 2**16 if left is None else min(left, 2**16))
            if not data:
                break
            left = None if left is None else left - len(data)
            self._rest += data
        if left:
            raise InputError(f"standard input: ends {left / self.pcm.frame / self.pcm.rate:.1f} s early: is it truncated?")

    def _end(self) -> None:
        if self._rest:
            text = f"standard input: its last {len(self._rest)} bytes are less than a frame of {self.pcm.frame}: left out"
            warnings.warn(text, AudioaeWarning, stacklevel=3)


class WavSource(RawSource):
    """A WAV stream of integers or floats, with or without a known length.

    Args:
        file: file to read.

    Raises:
        InputError: not a supported WAV stream.
    """

    def __init__(self, file: Readable) -> None:
        self.file, self._position = file, 0
        head = self._exactly(12)
        if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
            raise InputError(f"standard input: not a WAV stream: {ADVICE}")
        (whole,) = struct.unpack("<I", head[4:8])
        self._whole = None if _unknown(whole) or not whole else whole
        form, size = self._header()
        super().__init__(file, _pcm(form), None if _unknown(size) else size)

    def _header(self) -> tuple[bytes, int]:
        """Contents of the format chunk, and the size of the samples; leaves the file at the first sample."""
        form, large = b"", 0
        while True:
            name, size = struct.unpack("<4sI", self._exactly(8))
            if name == b"data":
                return form, large if large and _unknown(size) else size
            if name == b"fmt ":
                if not 16 <= size <= LONGEST_FORM:
                    raise InputError(f"standard input: not a WAV stream (its format takes {size} bytes): {ADVICE}")
                form = self._exactly(size + size % 2)[:size]
                continue
            if name == b"ds64" and size >= 16:  # sizes beyond 4 GB
                large = struct.unpack("<QQ", self._exactly(16))[1]
                size -= 16
            rest = size + size % 2
            while rest:
                rest -= len(self._exactly(min(rest, 2**16)))

    def chunks(self) -> Iterator[bytes]:
        """Whole frames, as soon as they arrive, also beyond the length in the header.

        Raises:
            InputError: the stream cannot be read, is shorter than announced, or is followed by another WAV.

        Warns:
            AudioaeWarning: the stream is longer than announced, or an incomplete frame at the end is dropped.
        """
        yield from self._frames(self.size)
        if self.size is not None and (more := self._after_samples(self.size)):
            if self.size:  # programs that cannot seek back leave a size of 0
                text = "standard input: more samples came than its header states; they were cleaned as well"
                warnings.warn(text, AudioaeWarning, stacklevel=2)
            self._rest += more
            yield from self._frames(None)
        self._end()

    def _after_samples(self, size: int) -> bytes:
        """Skip the chunks after the samples. Returns bytes that are not a chunk; empty at the end of the stream."""
        padding = size % 2
        self._position += size
        while head := _read(self.file.read, 8 + padding):
            name, length = head[padding : 4 + padding], head[4 + padding :]
            if name in (b"RIFF", b"RF64", b"RIFX"):
                raise InputError("standard input: a second WAV follows the first: give one at a time")
            if len(length) < 4:
                return b"" if name.isascii() and name.decode().isprintable() else head  # too short for a chunk
            (count,) = struct.unpack("<I", length)
            if not self._is_chunk(name, self._position + len(head) + count):
                return head
            if not self._skip(count):
                raise InputError(f"standard input: ends within {name.decode()!r}, a chunk after its samples")
            self._position += len(head) + count
            padding = count % 2
        return b""

    def _is_chunk(self, name: bytes, end: int) -> bool:
        """Whether this is probably a chunk that ends at ``end``; samples may look like a name by chance."""
        inside = self._whole is not None and end <= self._whole + 8
        return name in CHUNKS or (inside and name.isascii() and name.decode().isprintable())

    def _skip(self, count: int) -> bool:
        while count:
            data = _read(self.file.read, min(count, 2**16))
            if not data:
                return False
            count -= len(data)
        return True

    def _exactly(self, size: int) -> bytes:
        data = _read(self.file.read, size)
        if len(data) < size:
            reason = "it ends before its samples begin" if data or self._position else "it ends at once"
            raise InputError(f"standard input: not a WAV stream ({reason}): give one, or raw samples with --rate")
        self._position += size
        return data


def _pcm(form: bytes) -> Pcm:
    """The sample format that a format chunk describes."""
    if not form:
        raise InputError(f"standard input: not a WAV stream (it does not say what its samples are): {ADVICE}")
    code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if code == EXTENSIBLE and len(form) >= 26:
        (code,) = struct.unpack("<H", form[24:26])
    encoding = next((name for name, kind in ENCODINGS.items() if kind == (code, bits)), None)
    if encoding is None or not channels or not rate:
        what = f"{bits} bits of kind {code}, {channels} channels, {rate} Hz"
        raise InputError(f"standard input: WAV of {what}: convert it to 8, 16, 24 or 32 bits, or to floats")
    if channels > MAX_CHANNELS:
        raise InputError(f"standard input: has {channels} channels: at most {MAX_CHANNELS} can be read")
    return Pcm(rate, channels, encoding, form)


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    try:
        return read(size)
    except OSError as error:
        raise InputError(f"standard input: cannot be read: {error.strerror}") from None


def _unknown(size: int) -> bool:
    return any(size in sizes for sizes in NEARLY_UNKNOWN)
