"""Synthetic noise: coloured and banded noise, rumble, mains hum, clicks."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Wave = NDArray[np.float32]


def coloured(rng: np.random.Generator, samples: int, rate: int) -> Wave:
    """Gaussian noise ``(N,)`` with a slope of 0 to -9 dB per octave and a random tone curve."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / rate)
    octaves = np.log2(np.maximum(hz, 40) / 1000)
    points = np.linspace(octaves[0], octaves[-1], 6)
    curve = -rng.uniform(0, 9) * octaves + np.interp(octaves, points, rng.normal(0, 4, 6))
    return normalised(np.fft.irfft(spectrum * 10 ** (curve / 20), samples))


def banded(rng: np.random.Generator, samples: int, rate: int) -> Wave:
    """Gaussian noise ``(N,)`` of one random band above 100 Hz, a tenth to two octaves wide."""
    width = 2.0 ** rng.uniform(0.1, 2)
    low = float(np.exp(rng.uniform(np.log(100), np.log(0.5 * rate / width))))
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / rate)
    # Transitions of a twentieth of an octave; noise at -50 dB at all other frequencies.
    octaves = np.log2(np.maximum(hz, 1))
    edges = np.clip(np.minimum(octaves - np.log2(low), np.log2(low * width) - octaves) / 0.05, 0, 1)
    return normalised(np.fft.irfft(spectrum * (edges + 3e-3), samples))


def rumble(rng: np.random.Generator, samples: int, rate: int) -> Wave:
    """Gaussian noise ``(N,)`` below 15 to 60 Hz, like vibrations of stands and buildings."""
    white = rng.standard_normal(samples)
    return normalised(sosfilt(butter(4, rng.uniform(15, 60), fs=rate, output="sos"), white))


def hum(rng: np.random.Generator, samples: int, rate: int) -> Wave:
    """50 or 60 Hz with up to 30 harmonics of random, decreasing level, and a little white noise."""
    base = rng.choice([50.0, 60.0]) * rng.uniform(0.995, 1.005)
    time = np.arange(samples) / rate
    wave = 0.01 * rng.standard_normal(samples)
    for harmonic in range(1, int(rng.integers(4, 30))):
        if harmonic * base < rate / 2:
            level = 10 ** ((-rng.uniform(2, 7) * np.log2(harmonic) + rng.normal(0, 6)) / 20)
            wave += level * np.sin(2 * np.pi * harmonic * base * time + rng.uniform(0, 2 * np.pi))
    return normalised(wave)


def clicks(rng: np.random.Generator, samples: int, rate: int) -> Wave:
    """One to forty short decaying bursts per second at random positions."""
    wave = np.zeros(samples)
    for _ in range(max(1, round(rng.uniform(1, 40) * samples / rate))):
        length = max(2, int(rng.uniform(0.0003, 0.008) * rate))
        start = int(rng.integers(0, samples))
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 4)) * rng.lognormal(0, 1)
        wave[start : start + length] += burst[: samples - start]
    return normalised(wave)


def varying_gain(rng: np.random.Generator, wave: Wave, rate: int, decibels: float) -> Wave:
    """The wave with a gain that varies within +-``decibels``, suddenly or slowly."""
    knots = int(rng.integers(2, 6))
    places = np.sort(rng.uniform(0, len(wave), knots))
    gains = rng.uniform(-decibels, decibels, knots)
    if rng.random() < 0.5:
        curve = np.interp(np.arange(len(wave)), places, gains)
    else:
        curve = gains[np.searchsorted(places, np.arange(len(wave))) % knots]
        ramp = max(1, round(0.01 * rate))
        curve = np.convolve(np.pad(curve, (ramp, ramp), mode="edge"), np.ones(ramp) / ramp, mode="same")[ramp:-ramp]
    return (wave * 10 ** (curve / 20)).astype(np.float32)


def spliced(rng: np.random.Generator, wave: Wave, other: Wave, rate: int) -> Wave:
    """Crossfade from one wave to another at a random position, in 5 ms to 0.5 s; ``(N,)``."""
    fade = max(1, int(np.exp(rng.uniform(np.log(0.005), np.log(0.5))) * rate))
    at = int(rng.integers(0, len(wave)))
    share = np.clip((np.arange(len(wave)) - at) / fade, 0, 1)
    return (np.cos(0.5 * np.pi * share) * wave + np.sin(0.5 * np.pi * share) * other).astype(np.float32)


def normalised(wave: NDArray[np.floating]) -> Wave:
    """The wave scaled to an RMS of one; silence is not changed."""
    level = float(np.sqrt(np.mean(np.square(wave)))) if wave.size else 0.0
    return (wave / level if level > 1e-9 else wave).astype(np.float32)
