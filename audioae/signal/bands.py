"""Frequency bands: single bins below 2 kHz, ERB-like above, defined in Hz so that they are the same at every rate.

Above the identity region the centres stand a constant number of ERB apart (Glasberg & Moore, "Derivation of auditory
filter shapes from notched-noise data", 1990), with triangular weights that add to one over the bands at every bin. A
recording holds the bands up to its Nyquist frequency; those that it lacks are absent, not zero-filled. The band axis ends at
24 kHz: bins above belong to the last band.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from audioae.signal.stft import BIN_HZ

IDENTITY_HZ = 2_000.0
TOP_HZ = 24_000.0
BANDS_PER_ERB = 3.0
IDENTITY_BANDS = round(IDENTITY_HZ / BIN_HZ)


def erb_number(hz: float) -> float:
    """Frequency in Hz to the ERB-number scale (Glasberg & Moore 1990, eq. 4).

    >>> round(erb_number(1000), 2)
    15.62
    """
    return float(21.4 * np.log10(1 + 0.00437 * hz))


def erb_to_hz(number: float) -> float:
    """Inverse of :func:`erb_number`."""
    return float((10 ** (number / 21.4) - 1) / 0.00437)


@lru_cache(maxsize=1)
def centres() -> tuple[float, ...]:
    """Centre frequency in Hz of every band that there is, lowest first."""
    low = [k * BIN_HZ for k in range(IDENTITY_BANDS)]
    start, stop = erb_number(IDENTITY_HZ), erb_number(TOP_HZ)
    steps = int((stop - start) * BANDS_PER_ERB)
    return tuple(low + [erb_to_hz(start + i / BANDS_PER_ERB) for i in range(steps + 1)])


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # kept beyond the call, and wanted for training too
def weights(bins: int) -> Tensor:
    """How much of each band a bin takes: float32 ``(F, K)``, rows adding to one.

    ``F`` alone decides: the bins stand ``BIN_HZ`` apart at every rate (:mod:`audioae.signal.stft`). ``K`` counts the bands
    whose centre is not above the last bin.

    >>> weights(257).shape, weights(769).shape
    (torch.Size([257, 101]), torch.Size([769, 131]))
    """
    hz = np.arange(bins) * BIN_HZ
    present = np.array([c for c in centres() if c <= hz[-1] + 1e-6])
    # Linear interpolation between neighbouring centres is the triangular partition of unity; np.interp holds the last
    # band's weight at one above its centre.
    rows = np.stack([np.interp(hz, present, unit) for unit in np.eye(len(present))], axis=1)
    return torch.from_numpy(rows.astype(np.float32))


def total() -> int:
    """K of a recording that holds every band."""
    return len(centres())


def count(bins: int) -> int:
    """K for a spectrum of ``bins`` bins.

    >>> count(129), count(257), count(769)
    (82, 101, 131)
    """
    return weights(bins).shape[1]


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # kept beyond the call, and wanted for training too
def averages(bins: int) -> Tensor:
    """:func:`weights` with columns adding to one, for the mean over each band: float32 ``(F, K)``.

    Bins above the top of the band axis do not count, so that a band means the same at every rate.
    """
    table = weights(bins) * (torch.arange(bins)[:, None] * BIN_HZ <= TOP_HZ)
    return table / table.sum(0)
