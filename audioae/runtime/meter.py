"""Levels of input and output, and clipped samples, computed block by block in constant memory."""

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 0.9998
CLIPPED_RUN = 3
"""Consecutive samples at full scale that count as clipped."""


class Meter:
    """Measures the levels of a recording, of its cleaned version, and of their difference.

    The improvement of the SNR is not measured, because it cannot be computed without the clean recording. The attenuation in
    pauses would be two to three times as large in dB.
    """

    def __init__(self) -> None:
        self._energy, self._samples = np.zeros(3), 0

    def feed(self, before: NDArray[np.float32], after: NDArray[np.float32]) -> None:
        """Two aligned blocks ``(frames, C)``."""
        self._energy += [np.square(side, dtype=np.float64).sum() for side in (before, after, before - after)]
        self._samples += before.size

    @property
    def levels(self) -> tuple[float, float, float]:
        """RMS in dBFS of the recording, of the result, and of the removed part; -150 for digital silence."""
        powers = np.maximum(self._energy / max(self._samples, 1), 1e-15)
        before, after, removed = (10 * np.log10(powers)).tolist()
        return before, after, removed


class Clipping:
    """Counts samples in runs at full scale, which may continue in the next block."""

    def __init__(self) -> None:
        self._closed = 0
        self._open = np.zeros(0, int)  # length of the run that each channel's last block ended in

    def feed(self, block: NDArray[np.float32]) -> None:
        """The next ``(frames, C)``."""
        channels = block.shape[1]
        runs = self._open if len(self._open) == channels else np.zeros(channels, int)
        if not runs.any() and block.min(initial=0) > -FULL_SCALE and block.max(initial=0) < FULL_SCALE:
            return
        self._open = np.zeros(channels, int)
        for channel, full in enumerate((np.abs(block) >= FULL_SCALE).T):
            if full.all():
                self._open[channel] = runs[channel] + len(full)
                continue
            edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]])))
            lengths = edges[1::2] - edges[::2]
            if full[-1]:
                self._open[channel], lengths = lengths[-1], lengths[:-1]
            if full[0]:
                lengths[0] += runs[channel]
            else:
                lengths = np.append(lengths, runs[channel])
            self._closed += int(lengths[lengths >= CLIPPED_RUN].sum())

    @property
    def samples(self) -> int:
        """Number of clipped samples so far."""
        return self._closed + int(self._open[self._open >= CLIPPED_RUN].sum())
