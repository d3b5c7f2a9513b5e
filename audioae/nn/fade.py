"""Changes of the strength of the noise reduction within a stream, without clicks."""

import numpy as np
from numpy.typing import NDArray

from audioae.nn.strength import Strength
from audioae.signal.arrays import Wave, blended


def mixed(clean: Wave, noisy: Wave, shares: "Strength | NDArray[np.float32]") -> Wave:
    """Cleaned samples with a share of the input.

    Args:
        clean: ``(B, C, N)``.
        noisy: the input at the same moments.
        shares: a strength, or the share in each sample, ``(N,)`` or ``(B, 1, N)``.
    """
    share = shares if isinstance(shares, np.ndarray) else shares.dry
    return blended(clean, noisy, share) if isinstance(share, np.ndarray) or share > 0 else clean


class Fade:
    """The share of the input in each sample of a stream's result.

    It is the mean of the shares that were set for the last hop of samples. A change is therefore a linear crossfade of one
    hop, which begins at the first sample that is fed after it, for any chunks. There is no fade before the first sample.

    Args:
        strength: at the beginning.
        hop: length of a crossfade in samples.
        delay: samples of the result that lie before the first sample of the stream.

    Attributes:
        strength: may be set at any time, by any thread; it applies from the next sample on.

    >>> fade = Fade(Strength(), hop=4, delay=0)
    >>> fade.feed(2)
    >>> fade.strength = Strength(mix=0)
    >>> fade.feed(8)
    >>> fade.shares(10).tolist()
    [0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, strength: Strength, hop: int, delay: int) -> None:
        self.strength, self.hop = strength, hop
        self._last = strength  # of the last sample that was fed
        self._share = strength.dry  # before all changes
        self._changes: list[tuple[int, float]] = []  # first sample, and by how much the share of the input rises
        self._fed = 0
        self._next = -delay  # the next sample of the result

    def feed(self, samples: int) -> None:
        """Count samples that are fed."""
        now = self.strength
        if not self._fed:
            self._share = now.dry
        elif now != self._last:
            self._changes.append((self._fed, now.dry - self._last.dry))
        self._last = now
        self._fed += samples

    def shares(self, samples: int) -> Strength | NDArray[np.float32]:
        """The shares in the next samples of the result, ``(N,)``, or the strength if it is the same for all."""
        begin, end = self._next, self._next + samples
        self._next = end
        if not self._changes:
            return self._last
        passed = np.arange(begin + 1, end + 1)
        shares = np.full(samples, self._share)
        for first, rise in self._changes:
            shares += rise * ((passed - first) / self.hop).clip(0, 1)
        while self._changes and self._changes[0][0] + self.hop <= end:
            self._share += self._changes.pop(0)[1]
        if not self._changes:
            self._share = self._last.dry
        return shares.astype(np.float32)
