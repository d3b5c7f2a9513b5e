"""Tone and damage: equalisers and band limits for both sides, clipping and codec-like damage for the noisy one.

Filters and companding are torchaudio's; this is the module that knows it in the data pipeline.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.errors import MissingExtraError

try:
    import torchaudio.functional as effects
except (ImportError, OSError, RuntimeError) as error:  # it looks for a torch of its own CUDA release when it is imported
    raise MissingExtraError(
        f"torchaudio does not load beside torch {torch.__version__}: install the two together, "
        f"pip install --upgrade 'torch<2.15' torchaudio ({str(error).splitlines()[0]})"
    ) from error

Wave = NDArray[np.float32]
NARROW_RATE = 16_000
EDGE_HZ, MOVED_HZ = 7_000.0, 3_500.0
NARROW_DB = -45.0


def tone(rng: np.random.Generator, wave: Wave, rate: int, decibels: float) -> Wave:
    """A random shelf at each end and a random peak between, each by up to ``decibels``."""
    x, scale = _quiet(wave)
    gains = rng.uniform(-decibels, decibels, 3)
    x = effects.bass_biquad(x, rate, gains[0], rng.uniform(80, 400))
    x = effects.treble_biquad(x, rate, gains[1], rng.uniform(0.15, 0.4) * rate)
    peak = float(np.exp(rng.uniform(np.log(200), np.log(0.4 * rate))))
    return _array(effects.equalizer_biquad(x, rate, peak, gains[2], rng.uniform(0.4, 2.0))) * scale


def bass(wave: Wave, rate: int, decibels: float, hz: float) -> Wave:
    """A low shelf below ``hz``."""
    x, scale = _quiet(wave)
    return _array(effects.bass_biquad(x, rate, decibels, hz)) * scale


def replicate(rng: np.random.Generator, wave: Wave, rate: int, least: float, most: float) -> Wave:
    """Speech without an upper band given one: 3.5 to 7 kHz moved up again and again, each time weaker.

    After the spectral band replication of audio codecs (Dietz et al. 2002), whose envelope it leaves to chance. A wave with
    sound above 8 kHz (-45 dB and more of the whole) is left as it is.

    Args:
        rng: chance.
        wave: ``(N,)``.
        rate: Hz.
        least: smallest drop in dB from one moved band to the next.
        most: largest drop.
    """
    spectrum = np.fft.rfft(wave)
    hz = np.arange(len(spectrum)) * rate / len(wave)
    energy = np.square(np.abs(spectrum))
    if energy[hz > 8000].sum() > 10 ** (NARROW_DB / 10) * energy.sum():
        return wave
    edge, width = (round(f * len(wave) / rate) for f in (EDGE_HZ, MOVED_HZ))
    source, gain = spectrum[edge - width : edge].copy(), 1.0
    for start in range(edge, len(spectrum), width):
        gain *= 10 ** (-rng.uniform(least, most) / 20)
        part = min(width, len(spectrum) - start)
        spectrum[start : start + part] = gain * source[:part]
    return np.fft.irfft(spectrum, len(wave)).astype(np.float32)


def high_pass(wave: Wave, rate: int, hz: float) -> Wave:
    """Second-order Butterworth high-pass."""
    x, scale = _quiet(wave)
    return _array(effects.highpass_biquad(x, rate, hz)) * scale


def band_limit(waves: list[Wave], rate: int, hz: float) -> list[Wave]:
    """All waves without what lies above ``hz``, by one linear-phase brick wall with a short skirt."""
    edge = min(hz, 0.5 * rate)
    samples = len(waves[0])
    frequencies = np.fft.rfftfreq(samples, 1 / rate)
    gain = np.clip((edge * 1.05 - frequencies) / (0.05 * edge), 0, 1)
    return [np.fft.irfft(np.fft.rfft(w) * gain, samples).astype(np.float32) for w in waves]


def clip(wave: Wave, decibels: float) -> Wave:
    """The peaks cut ``decibels`` under the highest."""
    limit = float(np.abs(wave).max()) * 10 ** (-decibels / 20)
    return np.clip(wave, -limit, limit)


def codec(rng: np.random.Generator, wave: Wave) -> Wave:
    """Mu-law companding to 6 to 8 bits, plain 6 to 10 bits, or a spectrum whose weak parts are dropped."""
    peak = float(np.abs(wave).max())
    if peak < 1e-6:
        return wave
    x = torch.from_numpy(wave / np.float32(peak))
    way = int(rng.integers(3))
    if way == 0:
        levels = 2 ** int(rng.integers(6, 9))
        y = effects.mu_law_decoding(effects.mu_law_encoding(x, levels), levels)
    elif way == 1:
        steps = 2 ** (int(rng.integers(6, 11)) - 1)
        y = torch.round(x * steps) / steps
    else:
        window = torch.hann_window(512)
        spec = torch.stft(x, 512, window=window, return_complex=True)
        magnitude = spec.abs()
        # What a low-rate encoder gives no bits to: far under the loudest of the same frame.
        keep = magnitude > magnitude.amax(0, keepdim=True) * 10 ** (-rng.uniform(20, 45) / 20)
        y = torch.istft(spec * keep, 512, window=window, length=len(x))
    return _array(y) * np.float32(peak)


def _quiet(wave: Wave) -> tuple[torch.Tensor, np.float32]:
    """The wave with a peak so low that no filter reaches 1, where torchaudio clamps, and the factor back."""
    scale = np.float32(max(float(np.abs(wave).max()), 1e-9) * 1000)
    return torch.from_numpy(np.ascontiguousarray(wave / scale)), scale


def _array(x: torch.Tensor) -> Wave:
    return np.asarray(x.numpy(), np.float32)
