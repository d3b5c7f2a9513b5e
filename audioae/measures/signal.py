"""Measures on waves and spectra. Every function takes ``(estimate, clean, rate)``, numpy ``(N,)``, to a number."""

import math

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
_FLOOR = 1e-10
LIMIT_DB = 100.0
_SMALLEST = 10 ** (-LIMIT_DB / 10)
HIGH_BAND_HZ = 8000.0


def si_sdr(estimate: Wave, clean: Wave, rate: int) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., "SDR, half-baked or well done?", 2019).

    Limited to +-100 dB; -100 dB for silence, NaN for a silent reference.

    >>> clean = np.sin(np.arange(8000) * 0.1)
    >>> round(si_sdr(0.5 * clean + 0.05 * np.cos(np.arange(8000) * 0.1), clean, 8000), 1)  # a tenth in quadrature
    20.0
    """
    target = clean.astype(np.float64) - clean.mean()
    other = estimate.astype(np.float64) - estimate.mean()
    energy = float(target @ target)
    if energy <= _FLOOR:
        return float("nan")
    projection = (other @ target) / energy * target
    error = other - projection
    kept, distortion = float(projection @ projection), float(error @ error)
    if kept <= _SMALLEST * distortion:
        return -LIMIT_DB
    return 10 * math.log10(kept / max(distortion, _SMALLEST * kept))


def snr(estimate: Wave, clean: Wave, rate: int) -> float:
    """Signal-to-noise ratio in dB; a change of level counts as noise."""
    target = clean.astype(np.float64)
    error = estimate - target
    return float(10 * np.log10((target @ target + _FLOOR) / (error @ error + _FLOOR)))


def log_spectral_distance(estimate: Wave, clean: Wave, rate: int) -> float:
    """Root mean square difference of the log power spectra in dB, over 32 ms frames (Gray & Markel 1976); 0 is best."""
    a, b = _power(estimate, rate), _power(clean, rate)
    # Digital silence has no logarithm: values are limited to 80 dB below the loudest bin.
    floor = max(float(b.max()) * 1e-8, _FLOOR)
    difference = 10 * np.log10(np.maximum(a, floor) / np.maximum(b, floor))
    return float(np.sqrt((difference**2).mean(0)).mean())


def high_band_level(estimate: Wave, clean: Wave, rate: int) -> float:
    """Level above 8 kHz relative to the clean recording in dB; 0 is best, negative values mean lost treble.

    NaN for recordings without this band.
    """
    if rate / 2 <= HIGH_BAND_HZ:
        return float("nan")
    above = np.fft.rfftfreq(2 * round(0.016 * rate), 1 / rate) >= HIGH_BAND_HZ
    a, b = (float(_power(w, rate)[above].sum()) for w in (estimate, clean))
    return float(10 * np.log10((a + _FLOOR) / (b + _FLOOR)))


def _power(wave: Wave, rate: int) -> NDArray[np.float64]:
    size = 2 * round(0.016 * rate)
    from scipy.signal import stft  # importing it takes half a second, which other commands avoid

    return np.asarray(np.abs(stft(wave.astype(np.float64), rate, nperseg=size, noverlap=size // 2)[2]) ** 2, np.float64)
