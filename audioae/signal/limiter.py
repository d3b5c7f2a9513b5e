"""A look-ahead limiter for true peaks, which may lie between samples."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
BLOCK_SECONDS = 0.001
LOOK_AHEAD = 5
"""Blocks in which the gain falls before a peak."""
RELEASE_SECONDS = 0.1
"""Release time constant of the gain."""
TAPS = 24
"""Taps of the interpolation filter on each side of a sample."""
OVERSAMPLED_RATE = 768_000
MARGIN_DB = 0.2
"""Peaks between eight points for each sample, and the gain that moves within a peak."""
SEGMENT = 4096
"""Samples that are interpolated together."""


@cache
def _interpolator(factor: int) -> NDArray[np.float64]:
    """Taps that interpolate ``factor - 1`` samples between two, ``(factor - 1, 2 * TAPS)``; each row sums to 1."""
    places = np.arange(1, factor)[:, None] / factor
    offsets = np.arange(-TAPS + 1, TAPS + 1)[None] - places
    taps = np.sinc(offsets) * np.i0(8 * np.sqrt(np.maximum(0, 1 - (offsets / TAPS) ** 2))) / np.i0(8)
    return np.asarray(taps / taps.sum(1, keepdims=True))


def true_peaks(wave: Wave, rate: int, above: float = 0.0) -> NDArray[np.float64]:
    """The largest magnitude of ``(N, C)`` from each sample to the next one, ``(N,)``.

    Args:
        wave: of all channels.
        rate: Hz.
        above: only samples above half of this are interpolated.

    >>> wave = np.sin(np.pi * (np.arange(400) / 2 + 0.25)).astype(np.float32)[:, None]
    >>> round(float(abs(wave).max()), 3), round(float(true_peaks(wave, 48000)[100:300].max()), 2)
    (0.707, 1.0)
    """
    from scipy.signal import oaconvolve  # importing it takes half a second, which recordings without a limiter avoid

    peaks = np.abs(wave).max(1, initial=0).astype(np.float64)
    factor = min(8, -(-OVERSAMPLED_RATE // rate))
    for start in range(0, len(wave) if factor > 1 else 0, SEGMENT):
        stop = min(start + SEGMENT, len(wave))
        if peaks[start:stop].max() <= above / 2:
            continue
        first = max(0, start - TAPS)
        around = wave[first : stop + TAPS]
        for taps in _interpolator(factor):
            between = oaconvolve(around, taps[::-1, None], axes=0)[TAPS + start - first :]
            peaks[start:stop] = np.maximum(peaks[start:stop], np.abs(between[: stop - start]).max(1))
    return peaks


class Limiter:
    """Lowers the gain of all channels before peaks above a ceiling. The result has no delay.

    Samples far from such peaks are unchanged.

    Args:
        rate: Hz.
        channels: C.
        ceiling: highest true peak in dBFS.

    >>> limiter = Limiter(48000, 1, ceiling=-6)
    >>> loud = np.ones((4800, 1), np.float32)
    >>> made = np.concatenate([limiter.feed(loud), limiter.flush()])
    >>> made.shape, bool(made.max() < 0.502)
    ((4800, 1), True)
    """

    def __init__(self, rate: int, channels: int, ceiling: float = -1.0) -> None:
        self.rate, self.ceiling = rate, 10 ** ((ceiling - MARGIN_DB) / 20)
        self._size = max(1, round(BLOCK_SECONDS * rate))
        self._release = 1 - np.exp(-self._size / rate / RELEASE_SECONDS)
        self._before = np.zeros((TAPS, channels), np.float32)
        self._held: list[Wave] = []
        self._count = 0
        self._last = 1.0  # gain of the block before the held ones
        self._gain: float | None = None  # gain at the start of the held ones

    def feed(self, block: Wave) -> Wave:
        """Take ``(N, C)`` and return the samples that are ready, ``(M, C)``."""
        self._held.append(block)
        self._count += len(block)
        blocks = (self._count - TAPS) // self._size - LOOK_AHEAD - 1
        return self._take(blocks, 0) if blocks > 0 else block[:0]

    def flush(self) -> Wave:
        """The remaining samples, ``(M, C)``."""
        blocks = -(-self._count // self._size)
        if not blocks:
            return self._before[:0]
        count = self._count
        missing = (blocks + LOOK_AHEAD + 1) * self._size + TAPS - count
        return self._take(blocks, missing)[:count]

    def _take(self, blocks: int, missing: int) -> Wave:
        size = self._size
        wave = np.concatenate([*self._held, np.zeros((missing, self._before.shape[1]), np.float32)])
        known = blocks + LOOK_AHEAD + 1
        peaks = true_peaks(np.concatenate([self._before, wave[: known * size + TAPS]]), self.rate, self.ceiling)
        # A peak between the last sample of the block before and the first one counts for both.
        inner = peaks[TAPS - 1 : TAPS + known * size]
        highest = np.maximum(inner[1:].reshape(known, size).max(1), inner[:-1:size])
        needed = np.minimum(1.0, self.ceiling / np.maximum(highest, 1e-12))
        gains = self._gains(np.concatenate([[self._last], needed]), blocks)
        steps = np.arange(size) / size
        curve = (gains[:-1, None] + np.diff(gains)[:, None] * steps).reshape(-1, 1)
        ready = np.asarray(wave[: blocks * size] * curve, np.float32)
        self._before = np.concatenate([self._before, wave[: blocks * size]])[-TAPS:]
        self._held, self._last, self._gain = [wave[blocks * size :]], float(needed[blocks - 1]), float(gains[-1])
        self._count -= blocks * size
        return ready

    def _gains(self, needed: NDArray[np.float64], blocks: int) -> NDArray[np.float64]:
        """The gain at the edges of the first blocks, ``(blocks + 1,)``; ``needed`` begins with the block before."""
        edges = np.minimum(needed[:-1], needed[1:])  # at the start of each block: the lower gain of both sides
        curve = np.ones(blocks + 1)
        for ahead in range(LOOK_AHEAD):
            coming = edges[ahead : ahead + blocks + 1]
            curve = np.minimum(curve, coming + (1 - coming) * ahead / LOOK_AHEAD)
        gain = self._gain
        if gain is not None:
            curve[0] = gain
        elif curve.min() == 1.0:
            return curve
        for index in range(1, len(curve)):
            before = curve[index - 1]
            curve[index] = min(curve[index], before + (1 - before) * self._release)
        return curve


def limited(blocks: Iterator[Wave], rate: int, channels: int, ceiling: float = -1.0) -> Iterator[Wave]:
    """:class:`Limiter` over blocks."""
    limiter = Limiter(rate, channels, ceiling)
    for block in blocks:
        yield limiter.feed(block)
    yield limiter.flush()
