"""Linear prediction: continues a wave beyond its end, and fills gaps from both sides."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

Wave = NDArray[np.float32]
ORDER_SECONDS = 0.012
"""Length of the predictor. It covers a pitch period of 83 Hz, so that voiced speech keeps its pitch."""
CONTEXT_SECONDS = 0.06
"""Longest part before and after a gap that the predictor is estimated from."""
EXCITATION = 0.5
"""Level of the noise that excites the predictor, relative to the prediction error. Without noise, breathy sounds fade within
milliseconds; at the full level, voiced sounds lose their phase."""
ONSET_SECONDS = 0.005
"""Duration of the noise's fade-in."""
QUIET = 1e-12
"""Energy per sample below which a context counts as silence."""
REGULARISATION = 1e-6


def predictor(wave: Wave, order: int) -> NDArray[np.float64]:
    """Coefficients of the prediction error filter by the autocorrelation method (Makhoul, "Linear prediction", 1975).

    The wave is tapered at its beginning only, because it is continued at its end.

    Args:
        wave: ``(N,)``.
        order: number of past samples that a sample is predicted from.

    Returns:
        ``(order + 1,)``; the first coefficient is 1. The recursive filter is stable.

    >>> wave = np.sin(0.3 * np.arange(4000))
    >>> np.round(predictor(wave, 2), 2)  # 1, -2 cos(0.3), 1
    array([ 1.  , -1.91,  1.  ])
    """
    tapered = np.asarray(wave, np.float64) * np.sqrt(np.hanning(2 * len(wave))[: len(wave)])
    spectrum = np.fft.rfft(tapered, 2 * len(wave))
    correlation = np.fft.irfft(np.square(np.abs(spectrum)))[: order + 1]
    correlation[0] *= 1 + REGULARISATION
    return np.concatenate([[1.0], solve_toeplitz(correlation[:order], -correlation[1:])])


def continued(wave: Wave, count: int, rate: int) -> Wave:
    """The ``count`` samples that linear prediction expects after ``wave`` ``(N,)``; silence after silence.

    Args:
        wave: ``(N,)``; the last :data:`CONTEXT_SECONDS` should be given.
        count: number of samples.
        rate: Hz.
    """
    order = min(round(ORDER_SECONDS * rate), len(wave) // 3)
    if order < 1 or np.square(wave, dtype=np.float64).mean() < QUIET:
        return np.zeros(count, np.float32)
    filtered = predictor(wave, order)
    error = lfilter(filtered, [1.0], np.asarray(wave, np.float64))[order:]
    level = EXCITATION * np.sqrt(np.square(error[len(error) // 2 :]).mean())
    # The same noise every time, so that the result does not depend on the blocks of a file.
    noise = np.random.default_rng(0).standard_normal(count)
    onset = np.minimum(1.0, np.arange(count) / (ONSET_SECONDS * rate))
    # State of the recursive filter after the last samples (transposed direct form II).
    past = np.asarray(wave[: -order - 1 : -1], np.float64)
    state = -np.correlate(np.concatenate([filtered[1:], np.zeros(order - 1)]), past, "valid")
    return np.asarray(lfilter([1.0], filtered, level * onset * noise, zi=state)[0], np.float32)


def filled(wave: Wave, gaps: Sequence[tuple[int, int]], rate: int) -> Wave:
    """The wave ``(N,)`` with gaps filled by prediction from both sides.

    The forward and the backward prediction are crossfaded over a gap (Kauppinen & Roth, "Audio signal extrapolation - theory
    and applications", 2002).

    Args:
        wave: ``(N,)``.
        gaps: first sample and end of each gap, in order, without overlap.
        rate: Hz.

    >>> wave = np.sin(0.1 * np.arange(8000)).astype(np.float32)
    >>> damaged = wave.copy()
    >>> damaged[4000:4200] = 0
    >>> bool(np.abs(filled(damaged, [(4000, 4200)], 16000) - wave).max() < 0.2)
    True
    """
    result, context = wave.copy(), round(CONTEXT_SECONDS * rate)
    limits = [0, *(edge for gap in gaps for edge in gap), len(wave)]
    for number, (start, stop) in enumerate(gaps):
        left, right = limits[2 * number], limits[2 * number + 3]
        before, after = wave[max(left, start - context) : start], wave[stop : min(right, stop + context)]
        count = stop - start
        forward, backward = continued(before, count, rate), continued(after[::-1], count, rate)[::-1]
        share = np.cos(0.5 * np.pi * (np.arange(count) + 0.5) / count) ** 2
        if not len(before) or not len(after):
            share = np.full(count, float(len(before) > 0))
        result[start:stop] = share * forward + (1 - share) * backward
    return result
