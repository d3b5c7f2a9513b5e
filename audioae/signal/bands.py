"""Frequency bands: single bins at low frequencies, ERB-like bands above, defined in Hz and thus equal at every rate.

Above the single bins, the centres are spaced by a constant number of ERB (Glasberg & Moore, "Derivation of auditory
filter shapes from notched-noise data", 1990), with triangular weights that sum to one at every bin. A recording
has the bands up to its Nyquist frequency; higher bands are absent, not filled with zeros. The band axis ends at 24 kHz: bins
above belong to the last band.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.signal.framing import BIN_HZ

IDENTITY_HZ = 4_000 / 3
TOP_HZ = 24_000.0
BANDS_PER_ERB = 3.0
LEVEL_HZ = (93.75, 4_000.0)
"""Frequency range that determines the level of a recording; it exists at every rate."""


def erb_number(hz: float) -> float:
    """Frequency in Hz to the ERB-number scale (Glasberg & Moore 1990, eq. 4).

    >>> round(erb_number(1000), 2)
    15.62
    """
    return float(21.4 * np.log10(1 + 0.00437 * hz))


def erb_to_hz(number: float) -> float:
    """Inverse of :func:`erb_number`."""
    return float((10 ** (number / 21.4) - 1) / 0.00437)


@dataclass(frozen=True)
class BandLayout:
    """The bands of a transform with bins spaced by ``bin_hz``.

    Args:
        bin_hz: distance between two bins in Hz, the inverse of the window's length.
        identity_hz: edge in Hz below which every bin is a band of its own.

    >>> BandLayout(1 / 0.032).total, BandLayout(1 / 0.048).total
    (120, 141)
    """

    bin_hz: float
    identity_hz: float = IDENTITY_HZ

    @cached_property
    def centres(self) -> tuple[float, ...]:
        """Centre frequency in Hz of every band, lowest first. Above ``identity_hz`` it does not depend on ``bin_hz``."""
        # A last single bin closer than half a bin to the edge would leave the first ERB band without a bin.
        singles = int(np.ceil(self.identity_hz / self.bin_hz - 0.5))
        start, stop = erb_number(self.identity_hz), erb_number(TOP_HZ)
        steps = int((stop - start) * BANDS_PER_ERB)
        spaced = [erb_to_hz(start + i / BANDS_PER_ERB) for i in range(steps + 1)]
        return tuple([k * self.bin_hz for k in range(singles)] + spaced)

    @property
    def total(self) -> int:
        """K of a recording with all bands."""
        return len(self.centres)

    @property
    def level_bins(self) -> slice:
        """Bins that determine the level of a recording, about 100 Hz to 4 kHz."""
        low, high = (round(hz / self.bin_hz) for hz in LEVEL_HZ)
        return slice(low, high + 1)

    def count(self, bins: int) -> int:
        """K for a spectrum of ``bins`` bins: the bands whose centre is not above the last bin.

        >>> layout = BandLayout(1 / 0.032)
        >>> layout.count(129), layout.count(257), layout.count(769)
        (71, 90, 120)
        """
        return self.weights(bins).shape[1]

    def weights(self, bins: int) -> Tensor:
        """Share of each bin in each band: float32 ``(F, K)``, each row sums to one."""
        return _weights(self, bins)

    def averages(self, bins: int) -> Tensor:
        """:meth:`weights` with columns that sum to one, for the mean over each band: float32 ``(F, K)``.

        Bins above the band axis are not included, so that a band is the same at every rate.
        """
        return _averages(self, bins)


BY_BINS = BandLayout(BIN_HZ, 2_000.0)
"""Layout of model files of format 1, in bins of 31.25 Hz for every window. With longer windows it ends below 24 kHz, and the
last band includes all bins above."""


def hz_of(bins: int, layout: BandLayout) -> NDArray[np.float64]:
    """Frequency of each bin ``(F,)`` in Hz."""
    return np.arange(bins, dtype=np.float64) * layout.bin_hz


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # cached, and also used in training
def _weights(layout: BandLayout, bins: int) -> Tensor:
    hz = hz_of(bins, layout)
    present = np.array([c for c in layout.centres if c <= hz[-1] + 1e-6])
    # Linear interpolation between neighbouring centres is the triangular partition of unity; np.interp holds the last
    # band's weight at one above its centre.
    rows = np.stack([np.interp(hz, present, unit) for unit in np.eye(len(present))], axis=1)
    return torch.from_numpy(rows.astype(np.float32))


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # cached, and also used in training
def _averages(layout: BandLayout, bins: int) -> Tensor:
    inside = torch.from_numpy(hz_of(bins, layout) <= TOP_HZ)
    table = _weights(layout, bins) * inside[:, None]
    return table / table.sum(0)
