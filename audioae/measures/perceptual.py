"""Measures of quality and intelligibility, by the ``pesq`` and ``pystoi`` packages (extra ``metrics``).

Every function takes ``(estimate, clean, rate)``, numpy ``(N,)``, to a number. Both models have fixed sample
rates, to which recordings are resampled.
"""

import math
import warnings

import numpy as np
from numpy.typing import NDArray

from audioae.errors import MissingExtraError
from audioae.signal.resample import resample

Wave = NDArray[np.float32]
_HINT = "is not installed: pip install 'audioae[metrics]'"


def pesq(estimate: Wave, clean: Wave, rate: int) -> float:
    """Wideband PESQ (ITU-T P.862.2), 1 to 4.64, at 16 kHz.

    NaN below 16 kHz, where :func:`pesq_nb` applies, and if PESQ finds no utterance.
    """
    return _pesq(estimate, clean, rate, 16_000, "wb") if rate >= 16_000 else math.nan


def pesq_nb(estimate: Wave, clean: Wave, rate: int) -> float:
    """Narrowband PESQ (ITU-T P.862 with the mapping of P.862.1), 1 to 4.55, at 8 kHz.

    NaN if PESQ finds no utterance.
    """
    return _pesq(estimate, clean, rate, 8_000, "nb")


def stoi(estimate: Wave, clean: Wave, rate: int) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), 0 to 1; NaN with less than 0.4 s of speech."""
    return _stoi(estimate, clean, rate, extended=False)


def estoi(estimate: Wave, clean: Wave, rate: int) -> float:
    """Extended short-time objective intelligibility (Jensen & Taal 2016), 0 to 1; NaN like :func:`stoi`."""
    return _stoi(estimate, clean, rate, extended=True)


def _stoi(estimate: Wave, clean: Wave, rate: int, extended: bool) -> float:
    try:
        from pystoi import stoi as score
    except ImportError:
        raise MissingExtraError(f"the measures stoi and estoi need the package pystoi, which {_HINT}") from None
    with warnings.catch_warnings():
        # With too little speech the package warns and returns 1e-5, which would lower means.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(score(clean, estimate, rate, extended=extended))
        except RuntimeWarning:
            return math.nan


def _pesq(estimate: Wave, clean: Wave, rate: int, at: int, mode: str) -> float:
    try:
        from pesq import BufferTooShortError, NoUtterancesError
        from pesq import pesq as score
    except ImportError:
        raise MissingExtraError(f"the measures pesq and pesq_nb need the package pesq, which {_HINT}") from None
    try:
        return float(score(at, resample(clean, rate, at), resample(estimate, rate, at), mode))
    except (NoUtterancesError, BufferTooShortError):
        return math.nan
