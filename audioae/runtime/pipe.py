"""Cleaning a stream of samples while it comes: raw PCM or WAV in, the same out."""

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
    """Totals of a finished stream.

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
