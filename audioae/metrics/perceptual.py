"""Measures of quality and intelligibility, by the ``pesq`` and ``pystoi`` packages (the extra ``metrics`` brings them).

Every function takes ``(estimate, clean, rate)``, numpy ``(N,)``, to a number. Both models are defined at fixed rates, so
recordings at others are resampled for them.
"""

import math

import numpy as np
from numpy.typing import NDArray

from audioae.errors import MissingExtraError
from audioae.signal.resample import resample

Wave = NDArray[np.float32]
_HINT = "is not installed: pip install 'audioae[metrics]'"


def pesq(estimate: Wave, clean: Wave, rate: int) -> float:
    """PESQ, wideband at 16 kHz and more, narrowband below (ITU-T P.862.2); 1 to 4.6, more is better.

    Not a number where PESQ finds no utterance.
    """
    try:
        from pesq import NoUtterancesError
        from pesq import pesq as score
    except ImportError:
        raise MissingExtraError(f"the measure pesq needs the package pesq, which {_HINT}") from None
    wide = rate >= 16_000
    at = 16_000 if wide else 8_000
    try:
        return float(score(at, resample(clean, rate, at), resample(estimate, rate, at), "wb" if wide else "nb"))
    except NoUtterancesError:
        return math.nan


def stoi(estimate: Wave, clean: Wave, rate: int) -> float:
    """Short-time objective intelligibility (Taal et al. 2011), 0 to 1."""
    return _stoi(estimate, clean, rate, extended=False)


def estoi(estimate: Wave, clean: Wave, rate: int) -> float:
    """Extended short-time objective intelligibility (Jensen & Taal 2016), 0 to 1."""
    return _stoi(estimate, clean, rate, extended=True)


def _stoi(estimate: Wave, clean: Wave, rate: int, extended: bool) -> float:
    try:
        from pystoi import stoi as score
    except ImportError:
        raise MissingExtraError(f"the measures stoi and estoi need the package pystoi, which {_HINT}") from None
    return float(score(clean, estimate, rate, extended=extended))
