"""Equalisers and band limits for both sides; clipping and codec artefacts for the noisy side.

Filters and companding are from torchaudio, which only this module of the data pipeline imports.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, ellip, oaconvolve, sosfilt

from audioae.data.config import Dropouts
from audioae.errors import MissingExtraError

try:
    import torchaudio.functional as effects
except (ImportError, OSError, RuntimeError) as error:  # its import needs a torch of the same CUDA release
    raise MissingExtraError(
        f"torchaudio does not load beside torch {torch.__version__}: install the two together, "
        f"pip install --upgrade 'torch<2.15' torchaudio ({str(error).splitlines()[0]})"
    ) from error

Wave = NDArray[np.float32]
NARROW_RATE = 16_000
EDGE_HZ, MOVED_HZ = 7_000.0, 3_500.0
NARROW_DB = -45.0
IMPULSE, TAIL_SECONDS = 1e-3, 0.1
ACTIVE, LEAST_RAILED = 0.01, 0.01
"""Magnitude relative to the peak above which a sample counts as speech, and the smallest share of these at the rail."""
BURST_CONTINUES = 0.8
"""Probability that another lost packet follows in a burst."""


def tone(rng: np.random.Generator, wave: Wave, rate: int, decibels: float) -> Wave:
    """A random shelf at each end and a random peak between, each by up to ``decibels``."""
    gains = rng.uniform(-decibels, decibels, 3)
    x = effects.bass_biquad(_impulse(rate), rate, gains[0], rng.uniform(80, 400))
    x = effects.treble_biquad(x, rate, gains[1], rng.uniform(0.15, 0.4) * rate)
    peak = float(np.exp(rng.uniform(np.log(200), np.log(0.4 * rate))))
    return _filtered(wave, effects.equalizer_biquad(x, rate, peak, gains[2], rng.uniform(0.4, 2.0)))


def bass(wave: Wave, rate: int, decibels: float, hz: float) -> Wave:
    """A low shelf below ``hz``."""
    return _filtered(wave, effects.bass_biquad(_impulse(rate), rate, decibels, hz))


def tone_of(wave: Wave, other: Wave, rate: int) -> Wave:
    """The wave with the spectrum of ``other`` in third octaves above 50 Hz. Both ``(N,)``.

    Gains are limited to +-30 dB.
    """
    hz = np.fft.rfftfreq(len(wave), 1 / rate)
    edges = np.searchsorted(hz, 50.0 * 2 ** np.arange(0, np.log2(rate / 100), 1 / 3))
    edges = np.unique(np.concatenate([[0], edges]))
    spectrum = np.fft.rfft(wave)
    counts = np.diff([*edges, len(hz)])
    own, wanted = (np.add.reduceat(np.square(np.abs(s)), edges) / counts for s in (spectrum, np.fft.rfft(other)))
    floor = 1e-9 * max(float(own.max()), 1e-12), 1e-9 * max(float(wanted.max()), 1e-12)
    gains = 10 * np.log10((wanted + floor[1]) / (own + floor[0]))
    gains = np.clip(gains - gains.mean(), -30, 30)
    curve = np.interp(np.arange(len(hz)), edges + counts / 2, gains)
    return np.fft.irfft(spectrum * 10 ** (curve / 20), len(wave)).astype(np.float32)


def replicate(rng: np.random.Generator, wave: Wave, rate: int, least: float, most: float) -> Wave:
    """Add a high band to narrow-band speech: 3.5 to 7 kHz is copied upwards repeatedly, each time weaker.

    After spectral band replication in audio codecs (Dietz et al. 2002), with a random envelope. A wave with more than -45 dB
    of its energy above 8 kHz is not changed.

    Args:
        rng: random number generator.
        wave: ``(N,)``.
        rate: Hz.
        least: smallest attenuation in dB from one copied band to the next.
        most: largest attenuation.
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


def at_speed(wave: Wave, speed: float) -> Wave:
    """Play faster or slower by linear interpolation; its error is at least 40 dB below the speech."""
    places = np.arange(0, len(wave) - 1, speed)
    return np.interp(places, np.arange(len(wave)), wave).astype(np.float32)


def high_pass(wave: Wave, rate: int, hz: float) -> Wave:
    """Second-order Butterworth high-pass."""
    return _filtered(wave, effects.highpass_biquad(_impulse(rate), rate, hz))


def steep_high_pass(rng: np.random.Generator, waves: list[Wave], rate: int, hz: float) -> list[Wave]:
    """High-pass of 4th to 8th order for all waves, Butterworth or elliptic (40 dB), like that of telephones."""
    order = 2 * int(rng.integers(2, 5))
    if rng.random() < 0.5:
        sections = butter(order, hz, "high", fs=rate, output="sos")
    else:
        sections = ellip(order, 0.5, 40, hz, "high", fs=rate, output="sos")
    return [np.asarray(sosfilt(sections, wave), np.float32) for wave in waves]


def band_limit(waves: list[Wave], rate: int, hz: float) -> list[Wave]:
    """Linear-phase low-pass at ``hz`` for all waves, with a narrow transition band."""
    edge = min(hz, 0.5 * rate)
    samples = len(waves[0])
    frequencies = np.fft.rfftfreq(samples, 1 / rate)
    gain = np.clip((edge * 1.05 - frequencies) / (0.05 * edge), 0, 1)
    return [np.fft.irfft(np.fft.rfft(w) * gain, samples).astype(np.float32) for w in waves]


def clip(wave: Wave, decibels: float) -> Wave:
    """Clip the wave ``decibels`` below its peak."""
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
        return holes(rng, wave)
    return _array(y) * np.float32(peak)


def holes(rng: np.random.Generator, wave: Wave) -> Wave:
    """Drop weak bins of the spectrum, as encoders at low bit rates do."""
    window = torch.hann_window(512)
    spec = torch.stft(torch.from_numpy(np.ascontiguousarray(wave)), 512, window=window, return_complex=True)
    magnitude = spec.abs()
    # Low-rate encoders drop bins far below the loudest bin of the frame.
    keep = magnitude > magnitude.amax(0, keepdim=True) * 10 ** (-rng.uniform(20, 45) / 20)
    return _array(torch.istft(spec * keep, 512, window=window, length=len(wave)))


def rails(rng: np.random.Generator, wave: Wave, most: float, soft: bool) -> Wave:
    """Clip the wave so that 1 % to ``most`` of the samples of speech are at the rail; the logarithm of the share is uniform.

    Args:
        rng: random number generator.
        wave: ``(N,)``.
        most: largest share.
        soft: a smooth limiter with this rail (hyperbolic tangent) in place of a hard one.
    """
    size = np.abs(wave)
    active = size[size > ACTIVE * size.max()] if len(size) else size
    if not len(active):
        return wave
    share = np.exp(rng.uniform(np.log(min(LEAST_RAILED, most)), np.log(most)))
    limit = np.float32(max(np.quantile(active, 1 - share), 1e-6))
    return np.asarray(limit * np.tanh(wave / limit) if soft else np.clip(wave, -limit, limit), np.float32)


def lost_packets(rng: np.random.Generator, samples: int, rate: int, dropouts: Dropouts) -> list[tuple[int, int]]:
    """Random gaps in a recording: first sample and end of each, in order, with at least one packet between two of them.

    Args:
        rng: random number generator.
        samples: N.
        rate: Hz.
        dropouts: lengths, share of lost time, and bursts, for which gaps follow each other at the distance of a packet.
    """
    lost = rng.uniform(0, dropouts.most) * samples
    bursts = rng.random() < dropouts.bursts
    gaps: list[tuple[int, int]] = []
    at = int(rng.uniform(0, 0.3) * rate)
    while at < samples and sum(stop - start for start, stop in gaps) < lost:
        length = max(1, int(np.exp(rng.uniform(np.log(dropouts.shortest), np.log(dropouts.longest))) * rate))
        gaps.append((at, min(at + length, samples)))
        near = bursts and rng.random() < BURST_CONTINUES
        at += length + int((rng.uniform(0.01, 0.03) if near else rng.uniform(0.05, 0.8)) * rate)
    return gaps


def without_packets(wave: Wave, gaps: Sequence[tuple[int, int]], repeat: bool) -> Wave:
    """The wave with zeros in the gaps, or with the samples before them.

    Args:
        wave: ``(N,)``.
        gaps: first sample and end of each, in order.
        repeat: repeat as many samples as are lost, from before the gap; a gap at the start stays zero.
    """
    damaged = wave.copy()
    for start, stop in gaps:
        damaged[start:stop] = damaged[2 * start - stop : start] if repeat and 2 * start >= stop else 0
    return damaged


def _impulse(rate: int) -> torch.Tensor:
    """An impulse of 0.1 s, small enough that no filter output reaches 1, where torchaudio clamps."""
    impulse = torch.zeros(round(TAIL_SECONDS * rate), dtype=torch.float64)
    impulse[0] = IMPULSE
    return impulse


def _filtered(wave: Wave, response: torch.Tensor) -> Wave:
    """Convolve the wave with an impulse response; recursive filtering would take ten times as long."""
    return oaconvolve(wave, _array(response) / np.float32(IMPULSE))[: len(wave)].astype(np.float32)


def _array(x: torch.Tensor) -> Wave:
    return np.asarray(x.numpy(), np.float32)
