"""Finds clipping whose rail is not exact, because the limiter was smooth or a lossy codec came after it.

The amplitudes of sounds become rarer towards the highest ones. Where most amplitudes of a wide range are limited to a level,
there are more of them around it than below. Tones do the same, but their frames have equal levels.
"""

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
WINDOWS = 10
"""Windows that are judged together."""
PER_OCTAVE, LOWEST, OCTAVES = 40, 2.0**-10, 12
"""Bins of the histogram of amplitudes per octave, its lowest amplitude and its octaves."""
AROUND, BELOW = (-5, 4), (-34, -13)
"""Bins around the rail, 0.92 to 1.07 of it, whose density is compared with that of those below, 0.55 to 0.8 of it."""
DENSER = 1.35
"""Least ratio of these densities. It is below 1 in undamaged speech."""
NEAR, BEYOND = (-6, 8), 0.1
"""Bins from the rail to 0.9 and 1.15 of it, and the largest share of samples above the first that exceed the second."""
FEWEST, LEAST_SHARE = 100, 0.004
"""Least number of samples around the rail, and their least share."""
SHORTEST = 1.5
"""Fewest windows that are judged, parts included."""
FRAMES = 50
"""Frames per window."""
REACHED, VARIED = 0.9, 0.1
"""Frames whose peak is this share of the rail reach it. Their RMS, relative to the rail, differs at least by so much."""
RELIABLE = 0.8
"""Samples up to this share of the rail are kept."""


class SoftClippingFinder:
    """Finds soft and smeared rails of a recording, window by window.

    Args:
        channels: C.

    >>> rng = np.random.default_rng(0)
    >>> sound = np.cumsum(rng.normal(size=(16000, 1)), axis=0) % 7 - 3.5
    >>> sound *= np.linspace(0.1, 1, 16000)[:, None] / 3.5
    >>> finder = SoftClippingFinder(1)
    >>> for _ in range(2):
    ...     finder.add((0.2 * np.tanh(5 * sound)).astype(np.float32))
    >>> bool((np.abs(finder.finish() - 0.16) < 0.02).all())  # samples above are unreliable
    True
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._bins = np.zeros((channels, PER_OCTAVE * OCTAVES), np.int64)
        self._peaks: list[Wave] = []  # of frames (T, C), for each window since the last decision
        self._deviations: list[Wave] = []  # the same of their RMS
        self._samples, self._size = 0, 0
        self._found: list[NDArray[np.float32]] = []

    def add(self, window: Wave) -> None:
        """Take the next window ``(frames, C)``; the last one may be shorter."""
        self._size = max(self._size, len(window))
        frame = max(1, self._size // FRAMES)
        frames = window[: len(window) // frame * frame].reshape(-1, frame, self.channels)
        sizes = np.abs(frames)
        self._peaks.append(sizes.max(1))
        self._deviations.append(np.sqrt(np.square(frames).mean(1)))
        places = np.floor(np.log2(np.maximum(sizes, LOWEST / 2) / LOWEST) * PER_OCTAVE).astype(np.int64)
        alive = np.ptp(frames, axis=1) > LOWEST  # constants are no clipping
        for channel, bins in enumerate(self._bins):
            own = places[alive[:, channel], :, channel]
            bins += np.bincount(own[(own >= 0) & (own < len(bins))], minlength=len(bins))
        self._samples += len(window)
        if len(self._peaks) == WINDOWS:
            self._decide()

    def finish(self) -> NDArray[np.float32]:
        """Return the level of each window and channel ``(W, C)`` up to which samples are reliable; infinite if all are."""
        self._decide()
        return np.concatenate(self._found) if self._found else np.zeros((0, self.channels), np.float32)

    def _decide(self) -> None:
        levels = np.full(self.channels, np.inf, np.float32)
        if self._peaks and self._samples >= SHORTEST * self._size:
            peaks, deviations = np.concatenate(self._peaks), np.concatenate(self._deviations)
            for channel, bins in enumerate(self._bins):
                rail = _rail(bins, self._samples)
                if rail is not None:
                    limited = deviations[peaks[:, channel] >= REACHED * rail, channel]
                    if len(limited) and limited.std() >= VARIED * rail:
                        levels[channel] = RELIABLE * rail
        self._found.append(np.tile(levels, (len(self._peaks), 1)))
        self._bins[:], self._peaks, self._deviations, self._samples = 0, [], [], 0


def _rail(bins: NDArray[np.int64], samples: int) -> float | None:
    """Return the level with the highest density of amplitudes relative to that below it; None if there is no such level."""
    below = np.concatenate([[0], np.cumsum(np.pad(bins, (0, NEAR[1])))])
    level = np.arange(-BELOW[0], len(bins))
    beyond, near = (below[-1] - below[level + edge] for edge in (NEAR[1], NEAR[0]))
    around = below[level + AROUND[1]] - below[level + AROUND[0]]
    lower = below[level + BELOW[1]] - below[level + BELOW[0]]
    widths = [2 ** (high / PER_OCTAVE) - 2 ** (low / PER_OCTAVE) for low, high in (AROUND, BELOW)]
    counts = (around >= max(FEWEST, LEAST_SHARE * samples)) & (beyond <= BEYOND * near)
    ratio = np.where(counts, around / widths[0] / np.maximum(lower / widths[1], 1), 0)
    best = int(ratio.argmax())
    return float(LOWEST * 2 ** (level[best] / PER_OCTAVE)) if ratio[best] >= DENSER else None
