"""Spoken digits for the report on generators: matched noise, level, spectral flatness, nearest neighbours."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist

JUDGES = ("digits", "speakers")
LOUD = 1e-3
"""Share of a clip's largest frame power above which a frame counts for its flatness."""


def matched_noise(waves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Stationary noise with each recording's own power spectrum and random phases."""
    rng = np.random.default_rng(0)
    made = []
    for wave in waves:
        spectrum = np.abs(np.fft.rfft(wave))
        phases = np.exp(2j * np.pi * rng.random(len(spectrum)))
        made.append(np.fft.irfft(spectrum * phases, len(wave)).astype(np.float32))
    return made


def rms(wave: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


def flatness(wave: np.ndarray) -> float:
    """Mean spectral flatness of the frames that are not silent: 1 for white noise, near 0 for a buzz."""
    import librosa

    power = np.abs(librosa.stft(wave, n_fft=256, hop_length=128)) ** 2
    loud = power.sum(0) > LOUD * power.sum(0).max()
    return float(librosa.feature.spectral_flatness(S=power[:, loud] + 1e-12, power=1.0).mean())


def nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of each point ``(M, E)`` to the nearest of the others ``(R, E)``."""
    return cdist(points, others).min(1)


def quantiles(values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """10th, 50th and 90th percentile."""
    low, middle, high = np.percentile(values, [10, 50, 90])
    return {"10 %": float(low), "median": float(middle), "90 %": float(high)}
