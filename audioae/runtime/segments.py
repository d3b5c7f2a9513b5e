"""Cleaning while the caller reads and writes: one stream, or a long recording cut into segments, with the same result.

A network whose receptive field is finite cannot tell a stream that begins so many frames before a segment from one that
begins with the recording. Each segment is therefore cleaned by a stream of its own that hears those frames first.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Protocol, Self

import torch
from torch import Tensor

from audioae.runtime.streamer import Streamer

SEGMENT_SECONDS = 60.0
"""Length of a segment: ten times what is heard twice for the default model."""
BLOCK_SECONDS = 4.0
AHEAD = 2
"""Blocks that may wait for a stream's thread."""
BATCH = 8
"""Segments that a GPU cleans in one go."""
MOST_NUMBERS = 16 * 2**20
"""A segment's samples of all channels are kept below this, 64 MB, for memory's sake."""


def in_background(streamer: Streamer, workers: int, frames: int, channels: int) -> "AbstractContextManager[Cleaning]":
    """Clean a recording in threads: in segments if that is faster, else as one stream.

    Args:
        streamer: at its beginning.
        workers: how many segments at most.
        frames: N of the recording; 0 where it is not known.
        channels: C.
    """
    return _segments(streamer, workers, frames, channels) or AheadStreamer(streamer)


def in_segments(streamer: Streamer, workers: int, frames: int, channels: int) -> "AbstractContextManager[Cleaning]":
    """The same for a recording that lies in memory: where segments do not pay, there is no other thread."""
    return _segments(streamer, workers, frames, channels) or nullcontext(streamer)


def _segments(streamer: Streamer, workers: int, frames: int, channels: int) -> "SegmentStreamer | None":
    rate = streamer.rate
    # What cleans nothing has none, and is refused by the streamer.
    reach = streamer.denoiser.receptive_field_samples(rate)
    batch = 1 if streamer.denoiser.device.type == "cpu" else BATCH
    seconds = min(SEGMENT_SECONDS, MOST_NUMBERS / channels / rate)
    heard_twice = (reach or 0) / rate
    if (workers < 2 and batch < 2) or reach is None or frames < 2 * seconds * rate or heard_twice > seconds / 4:
        return None
    return SegmentStreamer(streamer, workers, seconds, batch)


class Cleaning(Protocol):
    """A :class:`~audioae.runtime.streamer.Streamer`, or what stands in for one."""

    def feed_wave(self, wave: Tensor) -> Tensor:
        """A chunk in, what is ready out."""

    def flush_wave(self) -> Tensor:
        """All that is still to come."""


class _Pooled:
    """A context manager: its threads end with it."""

    def __init__(self, workers: int) -> None:
        self._own = torch.get_num_threads()
        # Blocks are too small to be shared among threads.
        self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
        self._running: deque[Future[Tensor]] = deque()

    def __enter__(self) -> Self:
        # The caller's little work on blocks would keep as many threads busy, which then wait actively for more.
        torch.set_num_threads(1)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._own)

    def _ready(self, most: int) -> list[Tensor]:
        """Finished segments in order; waits until at most this many are running."""
        ready = []
        while self._running and (len(self._running) > most or self._running[0].done()):
            ready.append(self._running.popleft().result())
        return ready


class AheadStreamer(_Pooled):
    """A :class:`~audioae.runtime.streamer.Streamer` in a thread of its own.

    Args:
        streamer: what cleans.
    """

    def __init__(self, streamer: Streamer) -> None:
        super().__init__(1)
        self.streamer = streamer

    def feed_wave(self, wave: Tensor) -> Tensor:
        """Take a chunk ``(1, C, N)`` of any length and return what is ready, ``(1, C, M)``."""
        self._running.append(self._pool.submit(self.streamer.feed_wave, wave))
        return _joined(self._ready(AHEAD), wave)

    def flush_wave(self) -> Tensor:
        """End the stream: all that is still to come."""
        self._running.append(self._pool.submit(self.streamer.flush_wave))
        return torch.cat(self._ready(0), dim=-1)


class SegmentStreamer(_Pooled):
    """:class:`~audioae.runtime.streamer.Streamer` for files, in several threads; equal to it within 1e-5.

    Args:
        streamer: what is to be equalled; its network has a finite receptive field.
        workers: how many threads clean a segment each.
        seconds: length of a segment.
        batch: so many segments go through the network at once, which a GPU takes no longer for.
    """

    def __init__(self, streamer: Streamer, workers: int, seconds: float = SEGMENT_SECONDS, batch: int = 1) -> None:
        super().__init__(workers)
        reach = streamer.denoiser.receptive_field_samples(streamer.rate)
        assert reach is not None, "only a finite receptive field can be cut"
        self.streamer, self.workers, self.batch = streamer, workers, batch
        hop = streamer.hop
        self.context = reach
        self.length = max(1, round(seconds * streamer.rate / hop)) * hop
        # Those that wait for a batch, each with its context, in the parts that it came in: joined they would be copies.
        self._segments: list[list[Tensor]] = []
        self._parts: list[Tensor] = []
        self._held = 0  # samples in _parts
        self._before = 0  # of them, those of the segment before

    def feed_wave(self, wave: Tensor) -> Tensor:
        """Take a chunk ``(1, C, N)`` of any length and return what is ready, ``(1, C, M)``."""
        self._parts.append(wave)
        self._held += wave.shape[-1]
        while self._held >= self._before + self.length + self.streamer.delay:
            end = self._before + self.length
            kept = min(self.context, end)
            self._segments.append(_between(self._parts, 0, end + self.streamer.delay))
            # The first ones, which have less before them, are of other lengths and go alone.
            if len(self._segments) == self.batch or kept != self._before:
                self._submit(self.length)
            self._parts = _between(self._parts, end - kept, self._held)
            self._held, self._before = self._held - (end - kept), kept
        # One more than there are threads, so that none waits while the caller reads and writes.
        return _joined(self._ready(self.workers + 1), wave)

    def flush_wave(self) -> Tensor:
        """End the stream: all that is still to come."""
        self._submit(self.length)
        if self._parts:
            self._segments = [self._parts]
            self._submit(None)
        self._parts, self._held, self._before = [], 0, 0
        return _joined(self._ready(0), torch.zeros(1, 1, 0))

    def _submit(self, length: int | None) -> None:
        """Have the segments that wait cleaned: ``length`` samples of each, or all to the recording's end."""
        if self._segments:
            samples = sum(part.shape[-1] for part in self._segments[0])
            before = self._before if length is None else samples - self.streamer.delay - length
            self._running.append(self._pool.submit(self._clean, self._segments, before, length is None))
        self._segments = []

    def _clean(self, segments: list[list[Tensor]], before: int, last: bool) -> Tensor:
        """Segments ``(1, C, N)``, without what is ``before`` each, to one wave ``(1, C, M)``."""
        own = self.streamer.clone()
        parts = segments[0] if len(segments) == 1 else [torch.cat([torch.cat(each, dim=-1) for each in segments])]
        made = [own.feed_wave(block) for part in parts for block in part.split(int(BLOCK_SECONDS * own.rate), dim=-1)]
        if last:
            made.append(own.flush_wave())
        joined = _joined(_between(made, before, sum(part.shape[-1] for part in made)), made[0])
        return joined.transpose(0, 1).flatten(1).unsqueeze(0)


def _between(parts: list[Tensor], start: int, stop: int) -> list[Tensor]:
    """The samples from ``start`` to ``stop`` of parts that follow one another, as views."""
    found, at = [], 0
    for part in parts:
        first, end = max(start - at, 0), min(stop - at, part.shape[-1])
        if first < end:
            found.append(part[..., first:end])
        at += part.shape[-1]
    return found


def _joined(made: list[Tensor], like: Tensor) -> Tensor:
    """Concatenation of results from any device; empty, with the channels of ``like``, if there are none."""
    return torch.cat(made, dim=-1) if made else like[..., :0]
