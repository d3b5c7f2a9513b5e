"""Cleans a stream of raw PCM or WAV as it arrives."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from audioae.errors import InputError
from audioae.runtime.pcm import Pcm
from audioae.runtime.sources import Source
from audioae.runtime.streamer import Streamer


@dataclass
class Flow:
    """Statistics of a stream.

    Attributes:
        seconds: length of the audio.
        working: seconds spent on cleaning.
        slowest: longest time for one chunk in seconds.
        late: number of chunks that took longer than their length, which would interrupt a live stream.
    """

    seconds: float = 0.0
    working: float = 0.0
    slowest: float = 0.0
    late: int = 0
    chunks: int = field(default=0, repr=False)

    def note(self, seconds: float, took: float) -> None:
        """Add a chunk."""
        self.seconds += seconds
        self.working += took
        self.slowest = max(self.slowest, took)
        self.late += took > max(seconds, 0.016)
        self.chunks += 1


def stream(streamer: Streamer, source: Source, write: Callable[[bytes], object], flow: Flow | None = None) -> Flow:
    """Clean a source to its end and write results as soon as they are ready.

    The output has the length of the input, without delay.

    Args:
        streamer: a stream at the source's rate.
        source: source of samples.
        write: called with bytes of samples.
        flow: statistics to update.

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
        _end(streamer, pcm, write)  # clean what was read before the error
        raise
    _end(streamer, pcm, write)
    return flow


def _end(streamer: Streamer, pcm: Pcm, write: Callable[[bytes], object]) -> None:
    rest = np.asarray(streamer.flush(), np.float32)
    if len(rest):
        write(pcm.encode(rest.reshape(-1, pcm.channels)))
