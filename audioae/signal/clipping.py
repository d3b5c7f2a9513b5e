"""Finds clipping: the level at which many samples coincide, in each second of each channel, or else nearly coincide."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audioae.signal.soft_clipping import WINDOWS, SoftClippingFinder

Wave = NDArray[np.float32]
WINDOW_SECONDS = 1.0
QUANTISATION = 1.5 / 32768
"""Largest distance of samples at the rail from the highest one: 16-bit samples with dither."""
RELATIVE = 2e-4
"""The same, relative to the highest sample."""
BELOW = 0.9
"""Lower edge of the range below the rail whose samples are counted, relative to the rail."""
FEWEST, FEWEST_SAME = 6, 2
"""Least number of samples at the rail of a window, and of one whose rail other windows have too."""
LEAST_RATIO = 0.5
"""Least number of samples at the rail relative to those in the range below it. Unclipped peaks are sharp."""
IN_RUNS = 0.5
"""Least share of the samples at the rail that are adjacent to another one."""
LONGEST_SECONDS = 0.03
"""Longest run at the rail, more than half the period of any voice. Longer ones are constant, such as a dead channel's."""
QUIET = 1e-3
"""Rails below this level are quantisation steps of silence."""


@dataclass(frozen=True)
class _Peaks:
    """The highest samples of one window, channel and polarity."""

    top: float
    at_rail: int
    below: int
    adjacent: int
    longest: int

    @property
    def is_clipped(self) -> bool:
        """Whether the window is clipped, without regard to other windows."""
        return (
            self.top >= QUIET
            and self.at_rail >= FEWEST
            and self.at_rail >= LEAST_RATIO * self.below
            and self.adjacent >= IN_RUNS * self.at_rail
        )


def tolerance(rail: float) -> float:
    """Distance from the rail within which a sample is clipped."""
    return max(QUANTISATION, RELATIVE * rail)


class ClippingFinder:
    """Finds the rails of a recording that is fed block by block.

    Args:
        rate: Hz.
        channels: C.

    Attributes:
        window: samples per window.

    >>> time = np.arange(16000) / 16000
    >>> wave = np.clip(np.sin(2 * np.pi * 220.3 * time) * (1 + time), -0.9, 0.8).astype(np.float32)
    >>> finder = ClippingFinder(16000, 1)
    >>> finder.feed(wave[:, None])
    >>> finder.finish()  # one window, one channel, the upper and the lower rail
    array([[[0.8, 0.9]]], dtype=float32)
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.window, self.channels = round(WINDOW_SECONDS * rate), channels
        self._blocks: list[Wave] = []  # of the window that is not complete yet
        self._peaks: list[list[list[_Peaks]]] = []
        self._soft = SoftClippingFinder(channels)

    def feed(self, block: Wave) -> None:
        """Take the next samples ``(frames, C)``."""
        self._blocks.append(block.copy())
        if sum(map(len, self._blocks)) < self.window:
            return
        held = np.concatenate(self._blocks)
        whole = len(held) // self.window
        for number in range(whole):
            self._add(held[number * self.window : (number + 1) * self.window])
        self._blocks = [held[whole * self.window :].copy()]

    def _add(self, part: Wave) -> None:
        self._peaks.append([[_peaks(sign * part[:, c]) for sign in (1, -1)] for c in range(self.channels)])
        self._soft.add(part)

    def finish(self) -> NDArray[np.float32]:
        """Return the upper and lower rail of each window and channel ``(W, C, 2)``, positive; infinite if not clipped.

        The rail of soft clipping, and of clipping before a lossy codec, is the level up to which samples are reliable. Both
        are looked for where no rail is exact.
        """
        if any(map(len, self._blocks)):
            self._add(np.concatenate(self._blocks))
        rails = np.full((len(self._peaks), self.channels, 2), np.inf, np.float32)
        longest = LONGEST_SECONDS * self.window / WINDOW_SECONDS
        for channel in range(self.channels):
            for side in range(2):
                found = [(number, peaks[channel][side]) for number, peaks in enumerate(self._peaks)]
                found = [(number, each) for number, each in found if each.longest <= longest]
                known = np.array([each.top for _, each in found if each.is_clipped])
                for number, each in found:
                    same = (
                        each.at_rail >= FEWEST_SAME and len(known) and np.abs(known - each.top).min() <= tolerance(each.top)
                    )
                    if each.is_clipped or same:
                        rails[number, channel, side] = each.top
        soft = self._soft.finish()
        for first in range(0, len(rails), WINDOWS):
            together = slice(first, first + WINDOWS)
            inexact = ~np.isfinite(rails[together]).any((0, 2))
            rails[together, inexact] = soft[together, inexact, None]
        return rails


def _peaks(wave: Wave) -> _Peaks:
    top = float(wave.max(initial=0.0))
    at_rail = wave >= top - tolerance(top)
    count = int(at_rail.sum())
    adjacent = at_rail[1:] & at_rail[:-1]
    # A sample with two neighbours counts once: runs of n samples have n - 1 pairs.
    pairs = int(adjacent.sum())
    others = np.flatnonzero(np.concatenate([[True], ~at_rail, [True]]))
    longest = int(np.diff(others).max()) - 1
    return _Peaks(top, count, int((wave >= BELOW * top).sum()) - count, min(count, 2 * pairs), longest)


def clipped(wave: Wave, rails: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the samples at the upper and at the lower rail.

    Args:
        wave: ``(N,)`` of one window.
        rails: the two rails, positive.
    """
    upper, lower = (np.float32(rail - tolerance(float(rail))) if np.isfinite(rail) else np.inf for rail in rails)
    return wave >= upper, -wave >= lower
