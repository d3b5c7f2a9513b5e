"""Sample rate conversion; the only module that imports soxr."""

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


class Resampler:
    """:func:`resample` block by block, in constant memory.

    Args:
        before: Hz of the blocks.
        after: Hz of the result.
        channels: C.

    >>> resampler = Resampler(44100, 48000, 1)
    >>> len(resampler.feed(np.zeros((44100, 1), np.float32))) + len(resampler.flush())
    48000
    """

    def __init__(self, before: int, after: int, channels: int) -> None:
        self._stream = soxr.ResampleStream(before, after, channels, dtype="float32", quality="HQ")
        self._channels = channels

    def feed(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take ``(N, C)`` and return the samples that are ready, ``(M, C)``."""
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(block)), np.float32).reshape(-1, self._channels)

    def flush(self) -> NDArray[np.float32]:
        """The remaining samples, ``(M, C)``."""
        rest = self._stream.resample_chunk(np.zeros((0, self._channels), np.float32), last=True)
        return np.asarray(rest, np.float32).reshape(-1, self._channels)
