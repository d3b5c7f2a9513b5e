"""Levels of waves: RMS, dBFS, and the level of active speech."""

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
FRAME_SECONDS = 0.02
ACTIVE_RANGE_DB = 35.0


def rms(wave: Wave) -> float:
    """Root mean square over all samples; 0 for an empty wave.

    >>> rms(np.ones(4, np.float32))
    1.0
    """
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if wave.size else 0.0


def to_db(amplitude: float) -> float:
    """Amplitude in dB, at least -200.

    >>> to_db(0.1), to_db(0)
    (-20.0, -200.0)
    """
    return 20 * float(np.log10(max(amplitude, 1e-10)))


def from_db(decibels: float) -> float:
    """Amplitude of a level in dB.

    >>> from_db(-20)
    0.1
    """
    return float(10 ** (decibels / 20))


def active_rms(wave: Wave, rate: int) -> float:
    """RMS over the 20 ms frames of ``(N,)`` within 35 dB of the loudest: the level of the speech without pauses.

    A simplification of the active speech level of ITU-T P.56.

    >>> half = np.concatenate([np.ones(1600, np.float32), np.zeros(1600, np.float32)])
    >>> active_rms(half, 16000)
    1.0
    """
    size = round(FRAME_SECONDS * rate)
    whole = wave[: len(wave) // size * size]
    if not whole.size:
        return rms(wave)
    energy = np.mean(np.square(whole.reshape(-1, size), dtype=np.float64), axis=1)
    return float(np.sqrt(energy[energy >= energy.max() * 10 ** (-ACTIVE_RANGE_DB / 10)].mean()))
