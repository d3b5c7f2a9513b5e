"""Segments of speech from the probabilities of consecutive frames, as they arrive.

There are two thresholds and two shortest durations, as in most detectors: a segment begins at ``ENTER`` and ends below
``LEAVE``, a pause shorter than ``SHORTEST_PAUSE`` does not split it, and it is dropped if shorter than ``SHORTEST_SPEECH``.
The pause is that of ITU-T P.56, which counts pauses of up to 0.2 s as speech. ``tests/benchmarks/speech_fit.py`` chose the
others by the F1 score of segments in mixtures that the weights were not fitted to.
"""

from collections.abc import Iterable
from typing import NamedTuple

ENTER, LEAVE = 0.6, 0.4
"""Probabilities at which a segment begins, and below which it ends."""
SHORTEST_PAUSE = 0.2
"""Seconds."""
SHORTEST_SPEECH = 0.15
"""Seconds; some words are not much longer."""
LATE_START, LATE_END = 0.01, 0.04
"""Seconds by which probabilities rise and fall late, because they look back only; segments are earlier by as much."""


class Segment(NamedTuple):
    """A stretch of speech, from ``start`` to ``end`` in seconds."""

    start: float
    end: float


class Segmenter:
    """Collects probabilities of consecutive frames and gives the segments of speech as soon as they are certain.

    Args:
        frame_seconds: length of a frame.

    >>> segmenter = Segmenter(0.1)
    >>> segmenter.feed([0, 0, 1, 1, 1, 0, 0, 0, 0, 0])
    [Segment(start=0.19, end=0.46)]
    >>> segmenter.feed([1, 1]), segmenter.flush()
    ([], [Segment(start=0.99, end=1.16)])
    """

    def __init__(self, frame_seconds: float) -> None:
        self._frame = frame_seconds
        self._pause = SHORTEST_PAUSE / frame_seconds
        self._at = 0
        self._speaks = False
        self._first = self._end = -1  # frames of the segment that may continue; none before the first

    def feed(self, probabilities: Iterable[float]) -> list[Segment]:
        """Take the next frames, and return the segments that ended."""
        ended: list[Segment] = []
        for probability in probabilities:
            if self._speaks:
                self._speaks = probability >= LEAVE
            elif probability >= ENTER:
                self._speaks = True
                if self._first < 0:
                    self._first = self._at
            self._at += 1
            if self._speaks:
                self._end = self._at
            elif self._first >= 0 and self._at - self._end >= self._pause:
                ended += self._ended()
        return ended

    def flush(self) -> list[Segment]:
        """End the stream, and return the last segment, if there is one. Another stream may follow."""
        ended = self._ended() if self._first >= 0 else []
        self._at, self._speaks, self._end = 0, False, -1
        return ended

    def _ended(self) -> list[Segment]:
        first, self._first = self._first, -1
        seconds = (self._end - first) * self._frame
        if seconds < SHORTEST_SPEECH:
            return []
        start, end = first * self._frame - LATE_START, self._end * self._frame - LATE_END
        return [Segment(round(max(0.0, start), 3), round(end, 3))]
