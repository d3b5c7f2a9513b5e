"""Cleaning a stream of samples while it comes: raw PCM or WAV in, the same out."""

import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audioae.errors import InputError
from audioae.infer.streamer import Streamer

ENCODINGS = {"u8": (1, 8), "s16": (1, 16), "s24": (1, 24), "s32": (1, 32), "f32": (3, 32), "f64": (3, 64)}
"""Little-endian samples: their code in WAV (1 for integers, 3 for floats) and their bits."""
EXTENSIBLE = 0xFFFE
"""Code in WAV for a code that stands further down."""
UNKNOWN_SIZE = 0xFFFFFFFF
"""What stands in a WAV header for a length that nobody knows yet."""
NEARLY_UNKNOWN = (range(1), range(0x7FFFF000, 2**31), range(2**32 - 2**12, 2**32))
"""What other programs write there."""
LONGEST_FORM = 4096


@dataclass(frozen=True)
class Pcm:
    """How samples lie in a stream.

    Attributes:
        rate: Hz.
        channels: C.
        encoding: one of ``ENCODINGS``.
        form: the ``fmt`` chunk of the WAV stream that they came in, if they did, which says where loudspeakers stand.
    """

    rate: int
    channels: int
    encoding: str = "s16"
    form: bytes = b""

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * ENCODINGS[self.encoding][1] // 8

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Whole frames to ``(frames, C)`` in [-1, 1]."""
        code, bits = ENCODINGS[self.encoding]
        if code == 3:
            samples = np.frombuffer(data, f"<f{bits // 8}")
        elif bits == 24:
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            samples = padded.view("<i4")[:, 0] / 2.0**31
        elif bits == 8:
            samples = np.frombuffer(data, np.uint8) / 128.0 - 1
        else:
            samples = np.frombuffer(data, f"<i{bits // 8}") / 2.0 ** (bits - 1)
        return samples.reshape(-1, self.channels).astype(np.float32)

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """``(frames, C)`` to bytes; integers are limited to full scale.

        >>> Pcm(8000, 1).encode(np.array([[0.5], [2.0]], np.float32)).hex()
        '0040ff7f'
        """
        code, bits = ENCODINGS[self.encoding]
        if code == 3:
            return samples.astype(f"<f{bits // 8}").tobytes()
        full = 2.0 ** (bits - 1)
        whole = np.clip(np.round(samples.astype(np.float64) * full), -full, full - 1).astype("<i4")
        if bits == 8:
            return (whole + 128).astype(np.uint8).tobytes()
        if bits == 24:
            return np.ascontiguousarray(whole).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        return whole.astype(f"<i{bits // 8}").tobytes()

    @property
    def header(self) -> bytes:
        """A WAV header for a stream without an end."""
        code, bits = ENCODINGS[self.encoding]
        plain = struct.pack("<HHIIHH", code, self.channels, self.rate, self.rate * self.frame, self.frame, bits)
        form, unknown = self.form or plain, struct.pack("<I", UNKNOWN_SIZE)
        padded = struct.pack("<I", len(form)) + form + b"\0" * (len(form) % 2)
        return b"RIFF" + unknown + b"WAVEfmt " + padded + b"data" + unknown


class Readable(Protocol):
    """A buffered binary file."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, or all until the end."""

    def read1(self, size: int, /) -> bytes:
        """What is there, so many bytes at most; none at the end."""


class Source(Protocol):
    """Where samples come from."""

    pcm: Pcm

    def chunks(self) -> Iterator[bytes]:
        """Whole frames, as they come."""


class RawSource:
    """Samples without a header.

    Args:
        file: what they are read from.
        pcm: how they lie in it.
        size: bytes of them; None for all until the end.
    """

    def __init__(self, file: Readable, pcm: Pcm, size: int | None = None) -> None:
        self.file, self.pcm, self.size = file, pcm, size

    def chunks(self) -> Iterator[bytes]:
        """Whole frames, as soon as there are any; a part of one at the end is dropped.

        Raises:
            InputError: the stream cannot be read, or ends before it said it would.
        """
        rest, left = b"", self.size
        try:
            while data := self.file.read1(2**16 if left is None else min(left, 2**16)):
                left = None if left is None else left - len(data)
                rest += data
                whole = len(rest) // self.pcm.frame * self.pcm.frame
                if whole:
                    yield rest[:whole]
                    rest = rest[whole:]
        except OSError as error:
            raise InputError(f"standard input: cannot be read: {error.strerror}") from None
        if left:
            raise InputError(
                f"standard input: breaks off {left / self.pcm.frame / self.pcm.rate:.1f} s early: is it truncated?"
            )


class WavSource(RawSource):
    """A WAV stream of integers or floats, of known length or not.

    Args:
        file: what it is read from.

    Raises:
        InputError: another kind of file.
    """

    def __init__(self, file: Readable) -> None:
        advice = "give raw samples, and --rate to say so"
        head = self._exactly(file, 12)
        if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
            raise InputError(f"standard input: not a WAV stream: {advice}")
        form, large = b"", 0
        (whole,) = struct.unpack("<I", head[4:8])
        while True:
            name, size = struct.unpack("<4sI", self._exactly(file, 8))
            if name == b"data":
                break
            if name == b"fmt " and not 16 <= size <= LONGEST_FORM:
                raise InputError(f"standard input: not a WAV stream (its format takes {size} bytes): {advice}")
            if name == b"fmt ":
                form = self._exactly(file, size + size % 2)[:size]
                continue
            if name == b"ds64" and size >= 16:  # sizes beyond 4 GB
                large = struct.unpack("<QQ", self._exactly(file, 16))[1]
                size -= 16
            rest = size + size % 2
            while rest:
                rest -= len(self._exactly(file, min(rest, 2**16)))
        if not form:
            raise InputError(f"standard input: not a WAV stream (it does not say what its samples are): {advice}")
        code, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
        if code == EXTENSIBLE and len(form) >= 26:
            (code,) = struct.unpack("<H", form[24:26])
        encoding = next((name for name, kind in ENCODINGS.items() if kind == (code, bits)), None)
        if encoding is None or not channels or not rate:
            what = f"{bits} bits of kind {code}, {channels} channels, {rate} Hz"
            raise InputError(f"standard input: WAV of {what}: make it one of 8, 16, 24 or 32 bits, or of floats")
        pcm = Pcm(rate, channels, encoding, form)
        told = size or whole  # none may mean that there are none, or that the writer did not know
        unknown = any(told in sizes for sizes in NEARLY_UNKNOWN)
        super().__init__(file, pcm, (large or None) if unknown else size)

    @staticmethod
    def _exactly(file: Readable, size: int) -> bytes:
        try:
            data = file.read(size)
        except OSError as error:
            raise InputError(f"standard input: cannot be read: {error.strerror}") from None
        if len(data) < size:
            reason = "it ends before its samples begin" if data else "it ends at once"
            raise InputError(f"standard input: not a WAV stream ({reason}): give one, or raw samples with --rate")
        return data


@dataclass
class Flow:
    """What a stream came to.

    Attributes:
        seconds: of sound.
        working: seconds that cleaning took.
        slowest: the longest that one chunk took, in seconds.
        late: chunks that took longer than they last, in a live stream the moments at which it would have stuttered.
    """

    seconds: float = 0.0
    working: float = 0.0
    slowest: float = 0.0
    late: int = 0
    chunks: int = field(default=0, repr=False)

    def note(self, seconds: float, took: float) -> None:
        """Count a chunk in."""
        self.seconds += seconds
        self.working += took
        self.slowest = max(self.slowest, took)
        self.late += took > max(seconds, 0.016)
        self.chunks += 1


def stream(streamer: Streamer, source: Source, write: Callable[[bytes], object], flow: Flow | None = None) -> Flow:
    """Clean what a source gives until it ends; what is ready is written at once.

    As many samples come out as went in, none of them shifted: what is late is the moment.

    Args:
        streamer: for the source's rate.
        source: of samples.
        write: takes samples as bytes.
        flow: where to count, for those who watch.

    Raises:
        InputError: the source cannot be read.
    """
    flow = flow if flow is not None else Flow()
    pcm = source.pcm
    try:
        for data in source.chunks():
            start = time.perf_counter()
            samples = pcm.decode(data)
            clean = np.asarray(streamer.feed(samples), np.float32)
            flow.note(len(samples) / pcm.rate, time.perf_counter() - start)
            if len(clean):
                write(pcm.encode(clean))
    except InputError:
        _end(streamer, pcm, write)  # what came is not lost
        raise
    _end(streamer, pcm, write)
    return flow


def _end(streamer: Streamer, pcm: Pcm, write: Callable[[bytes], object]) -> None:
    rest = np.asarray(streamer.flush(), np.float32)
    if len(rest):
        write(pcm.encode(rest.reshape(-1, pcm.channels)))
