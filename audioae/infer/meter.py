"""Levels before and after, and what they say of the noise, gathered block by block in constant memory."""

import math

import numpy as np
from numpy.typing import NDArray

from audioae.signal.levels import ACTIVE_RANGE_DB, FRAME_SECONDS

LOWEST_DB, HIGHEST_DB = -150, 30
PAUSE_DB = 15.0
"""Frames of the result this far under its active speech count as pauses."""
ENOUGH_FRAMES = 5


class Meter:
    """Takes a recording and its cleaned version and estimates how much the signal-to-noise ratio has grown.

    Frames of 20 ms are sorted by the level of the result, 1 dB apart. Speech is what lies near the loudest, noise is what
    is heard in the pauses, before and after; music and a noise that speaks are beyond this.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int) -> None:
        self.size = max(1, round(FRAME_SECONDS * rate))
        self.samples = 0
        self.energy = np.zeros(2)
        bins = HIGHEST_DB - LOWEST_DB + 1
        self._count, self._sums = np.zeros(bins), np.zeros((bins, 2))
        self._rest = np.zeros((2, 0), np.float32)  # energies of the samples that make no whole frame yet, before and after
        self._channels = 1

    def feed(self, before: NDArray[np.float32], after: NDArray[np.float32]) -> None:
        """Two aligned blocks ``(frames, C)``."""
        self._channels = before.shape[1]
        energies = np.stack([np.einsum("tc,tc->t", side, side) for side in (before, after)])
        both = np.concatenate([self._rest, energies], axis=1)
        whole = both.shape[1] // self.size
        self._rest = both[:, whole * self.size :].copy()
        self.samples += whole * self.size
        if whole:
            frames = both[:, : whole * self.size].reshape(2, whole, self.size)
            powers = frames.sum(2) / np.float64(self.size * self._channels)
            self.energy += powers.sum(1) * self.size
            level = 10 * np.log10(np.maximum(powers[1], 1e-15))
            place = np.clip(np.rint(level).astype(int) - LOWEST_DB, 0, len(self._count) - 1)
            np.add.at(self._count, place, 1)
            np.add.at(self._sums, place, powers.T)

    @property
    def level_before(self) -> float:
        """RMS of the recording in dBFS."""
        return self._level(0)

    @property
    def level_after(self) -> float:
        """RMS of the result in dBFS."""
        return self._level(1)

    def snr_gain(self) -> float | None:
        """Estimated growth of the SNR in dB; None where there are no pauses, or nothing else, to tell by."""
        used = np.flatnonzero(self._count)
        if not len(used):
            return None
        active = used[used >= used[-1] - ACTIVE_RANGE_DB]
        speech = self._sums[active].sum(0) / self._count[active].sum()
        loudness = 10 * math.log10(max(speech[1], 1e-15)) - LOWEST_DB
        pauses = used[used <= loudness - PAUSE_DB]
        if self._count[pauses].sum() < ENOUGH_FRAMES:
            return None
        noise = self._sums[pauses].sum(0) / self._count[pauses].sum()
        if noise[0] <= 1e-14 or speech[1] <= 1e-14:
            return None
        # What noise adds to the level of the speech is taken off before the two are compared.
        before = max(speech[0] - noise[0], 0.1 * speech[0]) / noise[0]
        after = speech[1] / max(noise[1], noise[0] * 1e-6)
        return 10 * math.log10(after / before)

    def _level(self, side: int) -> float:
        energy, samples = self.energy[side], self.samples
        energy += self._rest[side].sum(dtype=np.float64) / self._channels
        samples += self._rest.shape[1]
        return 10 * math.log10(max(energy / max(samples, 1), 1e-15))
