"""Times of samples: maps frames with timestamps to consecutive samples.

Short gaps are filled with silence. After a long gap or a drift of the timestamps, samples have another offset in time.
"""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

GAP_SECONDS = 0.02
"""Difference between timestamps and samples up to which it is rounding or drift; larger ones are gaps or overlaps."""
DRIFT_SECONDS = 0.002
"""Smallest drift of timestamps after which samples get another offset."""
LONG_GAP_SECONDS = 1.0
"""Largest gap that is filled with silence. Longer gaps are filled at their edges, so that no frame spans the gap."""
EDGE_SECONDS = 0.4
BACK_SECONDS = 1.0
"""Largest overlap of frames; timestamps that go back further are an error."""


class TimestampsError(ValueError):
    """Timestamps that go back."""


@dataclass
class _Piece:
    """Samples from ``first``, whose time in samples is their index plus an offset.

    The timestamps had offsets from ``low`` to ``high``, the first one ``anchor``, with a rounding error of at most ``half``.
    """

    first: int
    anchor: Fraction
    low: Fraction
    high: Fraction
    half: Fraction

    @property
    def offset(self) -> Fraction:
        """The offset nearest to the first one that is consistent with all rounded timestamps."""
        least, most = self.high - self.half, self.low + self.half
        return min(max(self.anchor, least), most) if least <= most else (self.low + self.high) / 2


class Timeline:
    """Collects timestamps of frames and computes the time of every sample.

    Args:
        rate: Hz.
        tick: unit of the timestamps in seconds.
    """

    def __init__(self, rate: int, tick: Fraction = Fraction(0)) -> None:
        self.rate, self.samples, self._half = rate, 0, tick * rate / 2
        self._gap = max(GAP_SECONDS * rate, 3 * float(self._half))
        self._drift = max(DRIFT_SECONDS * rate, 3 * float(self._half))
        self.gaps = self.dropped = 0
        self._pieces: list[_Piece] = []

    def place(self, time: Fraction | None, count: int) -> tuple[int, int]:
        """Place the next ``count`` samples, which start at a time in seconds; None if the time is unknown.

        Returns:
            The number of samples of silence before them, and the number of samples to drop at their start.

        Raises:
            TimestampsError: the time goes back.
        """
        silence, dropped = self._place(time, count)
        self.dropped += dropped
        self.samples += silence + count - dropped
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
