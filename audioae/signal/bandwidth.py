"""Finds a missing upper band: a steep edge of the long-term spectrum with no energy above."""

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
FRAME_SECONDS = 0.032
SPEECH_HZ = 100.0, 3_000.0
LOWEST_HZ, HIGHEST_HZ = 3_000.0, 7_200.0
"""Range of edges that count as damage. Recordings that were made at 16 kHz have at least 7.4 kHz."""
ACTIVE = 0.03
"""Level of a frame, relative to the loudest one so far, above which it counts."""
DROP_DB, STEEP_DB = 24.0, 18.0
"""Least drop from the band below the edge to the band above, and within a tenth of an octave around it."""
SLOPE_DB = 9.0
"""Largest drop just below the edge. A voice that becomes weaker over some kilohertz has all of its band."""
HALF_DB = 12.0
"""Level of the edge below the band."""
HIGHEST_SHARE = 0.9
"""Highest edge relative to the Nyquist frequency, so that a band fits above it."""
SMOOTH_HZ = 200.0
FLAT, STEP = 3, 1.5 / 32768
"""Samples that are so close to the highest one of a frame, and their number, by which the frame is clipped. Such frames do
not count, because their harmonics hide the edge of a band that was limited before."""
OFTEN, HIGHEST_CLIPPED_HZ = 0.05, 6_600.0
"""Share of clipped frames from which edges count up to here only: the loud frames, which reach highest, are missing."""


class BandwidthFinder:
    """Finds the upper edge of a recording that is fed block by block.

    Args:
        rate: Hz.

    >>> rng = np.random.default_rng(0)
    >>> wave = rng.normal(size=48000)
    >>> spectrum = np.fft.rfft(wave)
    >>> spectrum[12000:] = 0  # above 4 kHz
    >>> finder = BandwidthFinder(16000)
    >>> finder.feed(np.fft.irfft(spectrum).astype(np.float32)[:, None] * 0.1)
    >>> round(finder.finish(), -2)
    4000.0
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._frame = 2 * round(FRAME_SECONDS * rate / 2)
        self._hz = np.fft.rfftfreq(self._frame, 1 / rate)
        self._held = np.zeros(0, np.float32)
        self._power, self._loudest = np.zeros(len(self._hz)), 0.0
        self._active = np.zeros(2, np.int64)  # frames, and those of them that are clipped

    def feed(self, block: Wave) -> None:
        """Take the next samples ``(frames, C)``."""
        held = np.concatenate([self._held, block.mean(1)])
        hop = self._frame // 2
        count = max(0, (len(held) - self._frame) // hop + 1)
        if count:
            frames = np.lib.stride_tricks.sliding_window_view(held, self._frame)[::hop][:count]
            power = np.square(np.abs(np.fft.rfft(frames * np.hanning(self._frame), axis=1)))
            speech = (self._hz >= SPEECH_HZ[0]) & (self._hz <= SPEECH_HZ[1])
            levels = power[:, speech].mean(1)
            self._loudest = max(self._loudest, float(levels.max()))
            active, distorted = levels > ACTIVE**2 * self._loudest, _clipped(frames)
            self._power += power[active & ~distorted].sum(0)
            self._active += np.array([active.sum(), (active & distorted).sum()])
        self._held = held[count * hop :].copy()

    def finish(self) -> float | None:
        """Return the edge in Hz; None if no band is missing, or none fits below the Nyquist frequency."""
        if not self._power.any():
            return None
        bins = max(1, round(SMOOTH_HZ * self._frame / self.rate))
        smooth = np.convolve(self._power, np.ones(bins) / bins, "same")
        level = 10 * np.log10(smooth + 1e-12 * smooth.max())
        best, edge = 0.0, None
        fine = 10 * np.log10(self._power + 1e-12 * smooth.max())
        often = self._active[1] > OFTEN * self._active[0]
        highest = min(HIGHEST_CLIPPED_HZ if often else HIGHEST_HZ, HIGHEST_SHARE * self.rate / 2)
        for hz in self._hz[(self._hz >= LOWEST_HZ) & (self._hz <= highest)]:
            near = self._between(level, 0.93 * hz, 0.99 * hz), self._between(level, 1.02 * hz + 60, 1.08 * hz + 100)
            above = self._between(level, 1.06 * hz + 100, 0.98 * self.rate / 2)
            below, before = self._between(level, 0.7 * hz, 0.95 * hz), self._between(level, 0.8 * hz, 0.9 * hz)
            if not all(map(len, (*near, above, below, before))) or before.mean() - near[0].mean() > SLOPE_DB:
                continue
            steep = float(near[0].mean() - near[1].mean())
            drop = float(below.mean() - above.max())
            if steep >= STEEP_DB and drop >= DROP_DB and steep > best:
                around = (self._hz > 0.9 * hz) & (self._hz < 1.1 * hz) & (fine > below.mean() - HALF_DB)
                best, edge = steep, float(self._hz[around].max(initial=float(hz) if not around.any() else 0.0))
        return edge

    def _between(self, level: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
        return level[(self._hz >= low) & (self._hz <= high)]


def _clipped(frames: Wave) -> NDArray[np.bool_]:
    """Whether each frame of ``(T, M)`` has several samples at its highest or lowest one."""
    highest, lowest = (extreme(frames, axis=1, keepdims=True) for extreme in (np.max, np.min))
    return ((frames >= highest - STEP).sum(1) >= FLAT) | ((frames <= lowest + STEP).sum(1) >= FLAT)
