"""Cleans in background threads, as one stream or in segments with the same result.

For a network with a finite receptive field, a segment gives the same result as the whole recording if it starts earlier by
the receptive field. Each segment is therefore cleaned by its own stream, which starts that much earlier.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from audioae.audio.layout import AnyWave
from audioae.runtime.streamer import Streamer
from audioae.signal.arrays import joined, part, split
from audioae.system import threads

SEGMENT_SECONDS = 60.0
"""Length of a segment: ten times the receptive field of the default model, which is processed twice."""
BLOCK_SECONDS = 4.0
AHEAD = 2
"""Largest number of blocks queued for a stream's thread."""
BATCH = 8
"""Segments per batch on a GPU."""
MOST_NUMBERS = 16 * 2**20
"""Largest number of samples of a segment, over all channels (64 MB)."""


def in_background(streamer: Streamer, workers: int, frames: int, channels: int) -> "AbstractContextManager[Cleaning]":
    """Clean a recording in threads: in segments if that is faster, otherwise as one stream.

    Args:
        streamer: an unused stream.
        workers: largest number of segments at a time.
        frames: N of the recording; 0 if unknown.
        channels: C.
    """
    return _segments(streamer, workers, frames, channels) or AheadStreamer(streamer)


def in_segments(streamer: Streamer, workers: int, frames: int, channels: int) -> "AbstractContextManager[Cleaning]":
    """The same for a recording in memory, without a thread if segments are not faster."""
    return _segments(streamer, workers, frames, channels) or nullcontext(streamer)


def _segments(streamer: Streamer, workers: int, frames: int, channels: int) -> "SegmentStreamer | None":
    rate = streamer.rate
    field = streamer.denoiser.receptive_field_samples(rate)
    batch = BATCH if streamer.denoiser.takes_batches else 1
    seconds = min(SEGMENT_SECONDS, MOST_NUMBERS / channels / rate)
    repeated = (field or 0) / rate
    if (workers < 2 and batch < 2) or field is None or frames < 2 * seconds * rate or repeated > seconds / 4:
        return None
    return SegmentStreamer(streamer, workers, seconds, batch)


class Cleaning(Protocol):
    """A :class:`~audioae.runtime.streamer.Streamer` or a class with the same interface."""

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """Take a chunk and return the samples that are ready."""

    def flush_wave(self) -> AnyWave:
        """Return the remaining samples."""


class _Pooled:
    """A pool of threads as a context manager."""

    def __init__(self, streamer: Streamer, workers: int) -> None:
        self.streamer = streamer
        self._own = threads.count()
        # Blocks are too small to use several threads each.
        self._pool = ThreadPoolExecutor(workers, initializer=threads.use, initargs=(1,))
        self._running: deque[Future[AnyWave]] = deque()

    def __enter__(self) -> Self:
        # Otherwise the caller's work on blocks would use all threads, which then spin.
        threads.use(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        threads.use(self._own)

    def _joined(self, made: list[AnyWave], channels: int) -> AnyWave:
        """Concatenation of results; without results, an empty wave of the model's type."""
        return joined(made) if made else self.streamer.denoiser.taken(np.zeros((1, channels, 0), np.float32))

    def _ready(self, most: int) -> list[AnyWave]:
        """Finished segments in order; waits until at most this many are running."""
        ready = []
        while self._running and (len(self._running) > most or self._running[0].done()):
            ready.append(self._running.popleft().result())
        return ready


class AheadStreamer(_Pooled):
    """A :class:`~audioae.runtime.streamer.Streamer` in its own thread.

    Args:
        streamer: the stream.
    """

    def __init__(self, streamer: Streamer) -> None:
        super().__init__(streamer, 1)

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """Take a chunk ``(1, C, N)`` of any length and return the samples that are ready, ``(1, C, M)``."""
        self._running.append(self._pool.submit(self.streamer.feed_wave, wave))
        return self._joined(self._ready(AHEAD), wave.shape[1])

    def flush_wave(self) -> AnyWave:
        """End the stream and return the remaining samples."""
        self._running.append(self._pool.submit(self.streamer.flush_wave))
        return joined(self._ready(0))


class SegmentStreamer(_Pooled):
    """:class:`~audioae.runtime.streamer.Streamer` for files, in several threads; equal to it within 1e-5.

    Args:
        streamer: a stream of a network with a finite receptive field.
        workers: number of threads, each for one segment.
        seconds: length of a segment.
        batch: segments per forward pass, for GPUs.
    """

    def __init__(self, streamer: Streamer, workers: int, seconds: float = SEGMENT_SECONDS, batch: int = 1) -> None:
        super().__init__(streamer, workers)
        field = streamer.denoiser.receptive_field_samples(streamer.rate)
        assert field is not None, "segments need a finite receptive field"
        self.workers, self.batch = workers, batch
        hop = streamer.hop
        self.context = field
        self.length = max(1, round(seconds * streamer.rate / hop)) * hop
        # Segments that wait for a batch, each with its context, as lists of chunks, because joining would copy them.
        self._segments: list[list[AnyWave]] = []
        self._parts: list[AnyWave] = []
        self._held = 0  # samples in _parts
        self._before = 0  # of these, context before the segment

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """Take a chunk ``(1, C, N)`` of any length and return the samples that are ready, ``(1, C, M)``."""
        self._parts.append(wave)
        self._held += wave.shape[-1]
        while self._held >= self._before + self.length + self.streamer.delay:
            end = self._before + self.length
            kept = min(self.context, end)
            self._segments.append(_between(self._parts, 0, end + self.streamer.delay))
            # The first segments have less context and thus other lengths, so that they are not batched.
            if len(self._segments) == self.batch or kept != self._before:
                self._submit(self.length)
            self._parts = _between(self._parts, end - kept, self._held)
            self._held, self._before = self._held - (end - kept), kept
        # One more than the number of threads, so that none is idle while the caller reads and writes.
        return self._joined(self._ready(self.workers + 1), wave.shape[1])

    def flush_wave(self) -> AnyWave:
        """End the stream and return the remaining samples."""
        self._submit(self.length)
        if self._parts:
            self._segments = [self._parts]
            self._submit(None)
        self._parts, self._held, self._before = [], 0, 0
        return self._joined(self._ready(0), 1)

    def _submit(self, length: int | None) -> None:
        """Submit the waiting segments: ``length`` samples of each, or all to the end of the recording."""
        if self._segments:
            samples = sum(each.shape[-1] for each in self._segments[0])
            before = self._before if length is None else samples - self.streamer.delay - length
            self._running.append(self._pool.submit(self._clean, self._segments, before, length is None))
        self._segments = []

    def _clean(self, segments: list[list[AnyWave]], before: int, last: bool) -> AnyWave:
        """Clean segments ``(1, C, N)``, drop the ``before`` samples of context, and join them to a wave ``(1, C, M)``."""
        own = self.streamer.clone()
        parts = segments[0] if len(segments) == 1 else [joined([joined(each) for each in segments], axis=0)]
        made = [own.feed_wave(block) for each in parts for block in split(each, int(BLOCK_SECONDS * own.rate))]
        if last:
            made.append(own.flush_wave())
        clean = joined([part(made[0], 0, 0), *_between(made, before, sum(each.shape[-1] for each in made))])
        return clean.swapaxes(0, 1).reshape(1, clean.shape[1], -1)


def _between(parts: list[AnyWave], start: int, stop: int) -> list[AnyWave]:
    """The samples from ``start`` to ``stop`` of consecutive parts, as views."""
    found: list[AnyWave] = []
    at = 0
    for each in parts:
        first, end = max(start - at, 0), min(stop - at, each.shape[-1])
        if first < end:
            found.append(part(each, first, end))
        at += each.shape[-1]
    return found
