"""Voice augmentation: varying pitch, shifted formants, whisper, vocal effort.

Speed (:func:`audioae.data.degrade.at_speed`) shifts pitch and formants together; followed by :func:`moved_formants`, it
shifts them independently.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.data.degrade import bass

Wave = NDArray[np.float32]
WINDOW_SECONDS, QUEFRENCY_SECONDS = 0.032, 0.0017
"""Window of the transform, and largest quefrency of the spectral envelope, below that of a pitch."""
LARGEST_DB = 30.0
"""Largest gain of a bin in :func:`moved_formants`."""
ONSET_DB, ONSET_PAUSE_SECONDS, ONSET_SHARE = -25.0, 0.15, 0.5
"""First words of :func:`from_first_word`: level of a frame of 10 ms relative to the loudest, length of the pause before it,
and largest share of the wave that is cut off."""


def gliding(rng: np.random.Generator, wave: Wave, rate: int, speed: float, octaves: float) -> Wave:
    """The wave at a speed that varies around ``speed``, like the pitch of excited speech.

    The logarithm of the speed is a random curve with a knot every 0.15 to 0.6 s and a standard deviation of ``octaves``. The
    wave is interpolated linearly, as in :func:`audioae.data.degrade.at_speed`.
    """
    knots = max(2, int(len(wave) / rate / rng.uniform(0.15, 0.6)) + 2)
    curve = np.interp(np.linspace(0, knots - 1, len(wave)), np.arange(knots), rng.normal(0, octaves, knots).clip(-0.8, 0.8))
    # Positions of the input's samples in the result, and of the result's samples in the input.
    places = np.concatenate([[0.0], np.cumsum(2.0 ** -curve[1:])]) / speed
    result = np.arange(0, places[-1])
    return np.interp(np.interp(result, places, np.arange(len(wave))), np.arange(len(wave)), wave).astype(np.float32)


def moved_formants(wave: Wave, rate: int, ratio: float) -> Wave:
    """The wave with its spectral envelope stretched by ``ratio`` at constant pitch, like a shorter or longer vocal tract.

    The envelope is the smooth part of the cepstrum (Oppenheim & Schafer, "Homomorphic analysis of speech", 1968).
    """
    spec, window = _transform(wave, rate)
    envelope = _log_envelope(spec, rate)
    places = torch.arange(len(envelope), dtype=torch.float32) / ratio
    low = places.floor().long().clamp_max(len(envelope) - 2)
    share = (places - low).clamp(0, 1)[:, None]
    change = torch.lerp(envelope[low], envelope[low + 1], share) - envelope
    limit = LARGEST_DB / 20 * np.log(10)
    return _inverse(spec * change.clamp(-limit, limit).exp(), window, len(wave))


def whispered(rng: np.random.Generator, wave: Wave, rate: int) -> Wave:
    """A whisper: noise with the spectral envelope of the wave, with attenuated low frequencies.

    Without vibration of the vocal folds, speech has 10 to 20 dB less energy below 1 kHz.
    """
    spec, window = _transform(wave, rate)
    noise, _ = _transform(rng.standard_normal(len(wave)).astype(np.float32), rate)
    whisper = _inverse(noise * _log_envelope(spec, rate).exp(), window, len(wave))
    level = np.sqrt(np.square(wave).mean() / max(float(np.square(whisper).mean()), 1e-12))
    return bass(whisper * np.float32(level), rate, -rng.uniform(8, 20), rng.uniform(400, 1000))


def raised_voice(rng: np.random.Generator, wave: Wave, rate: int, decibels: float) -> Wave:
    """A raised voice, which has a flatter spectrum: up to ``decibels`` less energy below 0.6 to 1.5 kHz."""
    return bass(wave, rate, -rng.uniform(0.3, 1) * decibels, rng.uniform(600, 1500))


def _transform(wave: Wave, rate: int) -> tuple[Tensor, Tensor]:
    size = 2 * round(WINDOW_SECONDS * rate / 2)
    window = torch.hann_window(size)
    x = torch.from_numpy(np.ascontiguousarray(wave, np.float32))
    return torch.stft(x, size, size // 4, window=window, return_complex=True, pad_mode="constant"), window


def _inverse(spec: Tensor, window: Tensor, samples: int) -> Wave:
    wave = torch.istft(spec, len(window), len(window) // 4, window=window, length=samples)
    return np.asarray(wave.numpy(), np.float32)


def _log_envelope(spec: Tensor, rate: int) -> Tensor:
    """Natural logarithm of the envelope ``(F, T)``."""
    magnitude = spec.abs()
    logarithm = (magnitude + 1e-3 * magnitude.mean() + 1e-9).log()
    cepstrum = torch.fft.irfft(logarithm.T)
    kept = round(QUEFRENCY_SECONDS * rate)
    cepstrum[:, kept + 1 : -kept] = 0
    return torch.fft.rfft(cepstrum).real.T


def from_first_word(rng: np.random.Generator, wave: Wave, rate: int) -> Wave:
    """The wave from the first sample of a word after a pause, as long as before, with silence at its end.

    Unchanged if no word begins after a pause in the first half.
    """
    hop = max(1, rate // 100)
    frames = wave[: len(wave) // hop * hop].reshape(-1, hop)
    level = np.sqrt(np.square(frames).mean(1)) if len(frames) else np.zeros(1)
    loud = level > level.max() * 10 ** (ONSET_DB / 20)
    pause = round(ONSET_PAUSE_SECONDS * 100)
    quiet = np.convolve(loud, np.ones(pause))[: len(loud)]  # loud frames among the last ones, the current one included
    onsets = [at for at in range(pause, int(ONSET_SHARE * len(loud))) if loud[at] and not quiet[at - 1]]
    if not onsets:
        return wave
    start = onsets[int(rng.integers(len(onsets)))] * hop
    return np.concatenate([wave[start:], np.zeros(start, wave.dtype)])
