"""Changing the sample rate; the only module that knows soxr."""

import numpy as np
import soxr
from numpy.typing import NDArray


def resample(wave: NDArray[np.float32], before: float, after: float, quality: str = "HQ") -> NDArray[np.float32]:
    """``(N,)`` or ``(N, C)`` at ``before`` Hz to ``after`` Hz, band-limited, without delay.

    >>> resample(np.zeros(16000, np.float32), 16000, 8000).shape
    (8000,)
    """
    if before == after or not len(wave):
        return wave
    return np.asarray(soxr.resample(wave, before, after, quality=quality), np.float32)
