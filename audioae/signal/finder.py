"""Finds the segments of speech of a recording, block by block."""

import numpy as np
from numpy.typing import NDArray

from audioae.signal.activity import SpeechActivity
from audioae.signal.speech import Segment, Segmenter


class SpeechFinder:
    """Collects the segments of speech of a recording, in constant memory except for the segments.

    Args:
        rate: Hz.

    >>> finder = SpeechFinder(16000)
    >>> finder.feed(np.zeros((16000, 2), np.float32), np.zeros((16000, 2), np.float32))
    >>> finder.finish()
    []
    """

    def __init__(self, rate: int) -> None:
        self._rate, self._samples = rate, 0
        self._activity = SpeechActivity(rate)
        self._segmenter = Segmenter(self._activity.frame / rate)
        self._segments: list[Segment] = []

    def feed(self, noisy: NDArray[np.float32], clean: NDArray[np.float32]) -> None:
        """The next samples ``(frames, C)`` of the recording, and of its cleaned version without any of the input."""
        self._samples += len(noisy)
        self._collect(self._activity.feed(noisy.T[None], clean.T[None]))

    def finish(self) -> list[Segment]:
        """All segments in order, in seconds from the first sample."""
        self._collect(self._activity.flush())
        self._segments += self._segmenter.flush()
        length = round(self._samples / self._rate, 3)
        return [Segment(segment.start, min(segment.end, length)) for segment in self._segments]

    def _collect(self, probabilities: NDArray[np.float32]) -> None:
        self._segments += self._segmenter.feed(probabilities[0].tolist())
