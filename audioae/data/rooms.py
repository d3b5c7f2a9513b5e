"""Reverberation by simulated or recorded impulse responses; the target keeps the early part."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

Wave = NDArray[np.float32]


def simulated(rng: np.random.Generator, rate: int, reverberation_time: float) -> Wave:
    """An impulse response ``(N,)``: direct sound, a few reflections, and a diffuse tail that loses high frequencies.

    The statistical room model (Polack 1988): Gaussian noise with an exponential decay of 60 dB in ``reverberation_time``
    seconds.
    """
    samples = max(2, int(reverberation_time * rate))
    time = np.arange(samples) / rate
    tail = rng.standard_normal(samples) * 10 ** (-3 * time / reverberation_time)
    smooth = np.convolve(tail, np.ones(3) / 3, mode="same")
    darkening = np.minimum(1.0, time / reverberation_time * rng.uniform(0.5, 3))
    tail = tail * (1 - darkening) + smooth * darkening
    tail[: min(samples, int(rng.uniform(0.002, 0.02) * rate))] = 0
    response = np.zeros(samples)
    for _ in range(int(rng.integers(2, 10))):
        at = rng.uniform(0.001, 0.05)
        if at * rate < samples:
            response[int(at * rate)] += rng.choice([-1, 1]) * rng.uniform(0.1, 0.7) * 10 ** (-3 * at / reverberation_time)
    direct_to_reverberant = 10 ** (rng.uniform(-3, 15) / 20)
    energy = np.sqrt(np.square(tail).sum())
    if energy > 0:
        response += tail / (energy * direct_to_reverberant)
    response[0] += 1.0
    return response.astype(np.float32)


def aligned(response: Wave) -> Wave:
    """A recorded response from its direct sound, scaled to 1: reverberation without delay or gain."""
    direct = int(np.abs(response).argmax())
    peak = float(response[direct])
    return response[direct:] / np.float32(peak) if peak else np.ones(1, np.float32)


def reverberate(wave: Wave, response: Wave, rate: int, early: float) -> tuple[Wave, Wave]:
    """The wave with reverberation, and with the reflections of the first ``early`` seconds only; both ``(N,)``."""
    kept = response.copy()
    edge, fade = int(early * rate), max(1, int(0.01 * rate))
    ramp = np.clip(1 - (np.arange(len(kept)) - edge) / fade, 0, 1)
    kept *= ramp.astype(np.float32)
    whole = oaconvolve(wave, response)[: len(wave)]
    target = oaconvolve(wave, kept)[: len(wave)]
    return whole.astype(np.float32), target.astype(np.float32)
