"""Time of samples: frames with timestamps become one run of samples, each of which has a time.

Short gaps become silence. Where timestamps drift away from the samples, or leave a long gap, the run gets another offset.
"""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

GAP_SECONDS = 0.02
"""Timestamps that lie less beside the samples are rounded or drift; those further off leave a gap or overlap."""
DRIFT_SECONDS = 0.002
"""Drift of timestamps from which on samples have another offset."""
LONG_GAP_SECONDS = 1.0
"""Gaps up to here are filled with silence. Of longer ones the edges are, so that no encoder's frame spans the gap."""
EDGE_SECONDS = 0.4
BACK_SECONDS = 1.0
"""Timestamps that go back so far are no overlap of frames."""


class TimestampsError(ValueError):
    """Timestamps that go back."""


@dataclass
class _Piece:
    """Samples from ``first`` on, whose time in samples is their number plus an offset.

    Timestamps gave offsets from ``low`` to ``high``, the first one ``anchor``, each rounded by at most ``half``.
    """

    first: int
    anchor: Fraction
    low: Fraction
    high: Fraction
    half: Fraction

    @property
    def offset(self) -> Fraction:
        """The offset that all timestamps may be rounded from, as near as possible to the first one."""
        least, most = self.high - self.half, self.low + self.half
        return min(max(self.anchor, least), most) if least <= most else (self.low + self.high) / 2


class Timeline:
    """Takes the timestamps of frames, and gives the time of every sample.

    Args:
        rate: Hz.
        tick: unit of the timestamps in seconds.
    """

    def __init__(self, rate: int, tick: Fraction = Fraction(0)) -> None:
        self.rate, self.samples, self._half = rate, 0, tick * rate / 2
        self._gap = max(GAP_SECONDS * rate, 3 * float(self._half))
        self._drift = max(DRIFT_SECONDS * rate, 3 * float(self._half))
        self.gaps = self.filled = self.dropped = 0
        self._pieces: list[_Piece] = []

    def place(self, time: Fraction | None, count: int) -> tuple[int, int]:
        """Where the next ``count`` samples belong, whose first one has this time in seconds; None if it is unknown.

        Returns:
            Samples of silence that come before them, and how many of them to drop at their beginning.

        Raises:
            TimestampsError: the time goes back.
        """
        silence, dropped = self._place(time, count)
        self.samples += silence + count - dropped
        self.filled += silence
        self.dropped += dropped
        return silence, dropped

    def _place(self, time: Fraction | None, count: int) -> tuple[int, int]:
        if time is None and self._pieces:
            return 0, 0
        offset = (time or Fraction(0)) * self.rate - self.samples
        if not self._pieces:
            self._begin(self.samples, offset)
            return 0, 0
        piece = self._pieces[-1]
        late = offset - piece.offset
        if abs(late) <= self._gap:
            low, high = min(piece.low, offset), max(piece.high, offset)
            if high - low <= self._drift:
                piece.low, piece.high = low, high
            else:
                self._begin(self.samples, offset)
            return 0, 0
        if late < 0:
            if -late > BACK_SECONDS * self.rate:
                raise TimestampsError(f"timestamps go back by {float(-late / self.rate):.1f} s")
            return 0, min(count, round(-late))
        self.gaps += 1
        if late <= LONG_GAP_SECONDS * self.rate:
            return round(late), 0
        edge = round(EDGE_SECONDS * self.rate)
        jumped = piece.offset + late - 2 * edge
        self._begin(self.samples + edge, jumped)
        return 2 * edge, 0

    def _begin(self, first: int, offset: Fraction) -> None:
        self._pieces.append(_Piece(first, offset, offset, offset, self._half))

    def time(self, sample: int) -> Fraction:
        """Time of a sample in seconds."""
        if not self._pieces:
            return Fraction(sample, self.rate)
        index = max(0, bisect_right(self._pieces, sample, key=lambda piece: piece.first) - 1)
        return (sample + self._pieces[index].offset) / self.rate
