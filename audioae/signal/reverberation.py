"""Detects reverberation by comparing a recording with its restored version."""

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
BAND_HZ = 150.0, 3_400.0
FRAME_SECONDS = 0.02
ACTIVE = 1e-5
"""Least energy of a frame that counts, relative to the loudest."""
LIMITS_DB = -5.0, 20.0
REVERBERANT_DB = 1.0, 9.5
"""Mean attenuation of reverberant recordings. Late reverberation is attenuated in the frames after sounds, which noise and
speech in other frames average out. A larger mean attenuation means that noise was attenuated too."""


def attenuation(before: Wave, after: Wave, rate: int) -> float:
    """Mean attenuation in dB over the frames of ``(N,)``, within the band of speech.

    Args:
        before: the recording.
        after: its restored version.
        rate: Hz.

    >>> wave = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    >>> round(attenuation(wave, wave / 2, 16000), 1)
    6.0
    """
    energies = [_energies(wave, rate) for wave in (before, after)]
    active = energies[0] > ACTIVE * energies[0].max(initial=0.0)
    if not active.any():
        return 0.0
    ratio = energies[0][active] / np.maximum(energies[1][active], 1e-12)
    return float(np.clip(10 * np.log10(np.maximum(ratio, 1e-12)), *LIMITS_DB).mean())


def is_reverberant(decibels: float) -> bool:
    """Whether this :func:`attenuation` is that of late reverberation.

    >>> [is_reverberant(each) for each in (0.0, 3.0, 12.0)]
    [False, True, False]
    """
    return REVERBERANT_DB[0] < decibels < REVERBERANT_DB[1]


def _energies(wave: Wave, rate: int) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(wave)
    hz = np.fft.rfftfreq(len(wave), 1 / rate) if len(wave) else np.zeros(0)
    spectrum[(hz < BAND_HZ[0]) | (hz > BAND_HZ[1])] = 0
    size = round(FRAME_SECONDS * rate)
    count = len(wave) // size
    band = np.fft.irfft(spectrum, len(wave))[: count * size]
    return np.asarray(np.square(band).reshape(count, size).sum(1))
