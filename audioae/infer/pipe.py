"""Cleaning a stream of samples while it comes: raw PCM or WAV in, the same out."""

import os
import struct
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from audioae.errors import InputError
from audioae.infer.streamer import Streamer

ENCODINGS = {"s16": "<i2", "s32": "<i4", "f32": "<f4"}
"""Little-endian samples as numpy knows them."""
UNKNOWN_SIZE = 0xFFFFFFFF
"""What stands in a WAV header for a length that nobody knows yet, as other programs write it."""


@dataclass(frozen=True)
class Pcm:
    """How samples lie in a stream.

    Attributes:
        rate: Hz.
        channels: C.
        encoding: one of ``ENCODINGS``.
    """

    rate: int
    channels: int
    encoding: str = "s16"

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * np.dtype(ENCODINGS[self.encoding]).itemsize

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Whole frames to ``(frames, C)`` in [-1, 1]."""
        samples = np.frombuffer(data, ENCODINGS[self.encoding]).reshape(-1, self.channels)
        if self.encoding == "f32":
            return samples.astype(np.float32)
        return (samples / np.float64(-np.iinfo(samples.dtype).min)).astype(np.float32)

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """``(frames, C)`` to bytes; integers are limited to full scale.

        >>> Pcm(8000, 1).encode(np.array([[0.5], [2.0]], np.float32)).hex()
        '0040ff7f'
        """
        kind = np.dtype(ENCODINGS[self.encoding])
        if self.encoding == "f32":
            return samples.astype(kind).tobytes()
        limits = np.iinfo(kind)
        scaled = np.round(samples.astype(np.float64) * -float(limits.min))
        return np.clip(scaled, limits.min, limits.max).astype(kind).tobytes()

    @property
    def header(self) -> bytes:
        """A WAV header for a stream without an end."""
        code, bits = (3, 32) if self.encoding == "f32" else (1, 8 * self.frame // self.channels)
        form = struct.pack("<HHIIHH", code, self.channels, self.rate, self.rate * self.frame, self.frame, bits)
        riff = b"RIFF" + struct.pack("<I", UNKNOWN_SIZE) + b"WAVE"
        return riff + b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", UNKNOWN_SIZE)


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
    """

    def __init__(self, file: BinaryIO, pcm: Pcm) -> None:
        self.file, self.pcm = file, pcm

    def chunks(self) -> Iterator[bytes]:
        """Whole frames, as soon as there are any; a part of one at the end is dropped.

        Raises:
            InputError: the stream cannot be read.
        """
        rest = b""
        try:
            while data := os.read(self.file.fileno(), 2**16):
                rest += data
                whole = len(rest) // self.pcm.frame * self.pcm.frame
                if whole:
                    yield rest[:whole]
                    rest = rest[whole:]
        except OSError as error:
            raise InputError(f"standard input: cannot be read: {error.strerror}") from None


class WavSource:
    """A WAV stream of 16 or 32 bits, of known length or not.

    Args:
        file: what it is read from.

    Raises:
        InputError: another kind of file.
    """

    def __init__(self, file: BinaryIO) -> None:
        try:
            self.file = wave.open(file, "rb")  # noqa: SIM115 - the stream is not ours to close
        except (wave.Error, EOFError) as error:
            reason = str(error) or "it ends at once"
            raise InputError(
                f"standard input: not a WAV stream of integers ({reason}): give raw samples, and --rate to say so"
            ) from None
        encoding = {2: "s16", 4: "s32"}.get(self.file.getsampwidth())
        if encoding is None:
            raise InputError(f"standard input: WAV of {8 * self.file.getsampwidth()} bits: make it one of 16 or 32")
        self.pcm = Pcm(self.file.getframerate(), self.file.getnchannels(), encoding)

    def chunks(self) -> Iterator[bytes]:
        """Whole frames, 8 ms at a time."""
        while data := self.file.readframes(max(1, self.pcm.rate // 125)):
            yield data[: len(data) // self.pcm.frame * self.pcm.frame]


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
    for data in source.chunks():
        start = time.perf_counter()
        samples = pcm.decode(data)
        clean = np.asarray(streamer.feed(samples), np.float32)
        flow.note(len(samples) / pcm.rate, time.perf_counter() - start)
        if len(clean):
            write(pcm.encode(clean))
    rest = np.asarray(streamer.flush(), np.float32)
    if len(rest):
        write(pcm.encode(rest.reshape(-1, pcm.channels)))
    return flow
