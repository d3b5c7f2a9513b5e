"""Damage for the benchmark of restoration, and other ways to repair it. Nothing here is used in training."""

import io

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.interpolate import CubicSpline
from scipy.signal import oaconvolve

Wave = NDArray[np.float64]
Gap = tuple[int, int]


def as_16_bit(wave: Wave) -> Wave:
    """Rounded as in a file of 16 bits, with peaks below full scale."""
    return np.asarray(np.round(wave.clip(-1, 32767 / 32768) * 32768) / 32768)


def clipped(wave: Wave, sdr: float) -> tuple[Wave, float]:
    """The wave clipped to this SDR in dB, and the rail."""
    low, high = 1e-5, float(np.abs(wave).max())
    for _ in range(50):
        rail = (low + high) / 2
        error = np.square(wave - wave.clip(-rail, rail)).sum()
        low, high = (rail, high) if 10 * np.log10(np.square(wave).sum() / max(error, 1e-20)) < sdr else (low, rail)
    return wave.clip(-high, high), high


def softly_clipped(wave: Wave, share: float) -> Wave:
    """The wave through a smooth limiter, whose rail this share of the louder samples exceeds."""
    sizes = np.abs(wave)
    rail = np.quantile(sizes[sizes > 0.05 * sizes.max()], 1 - share)
    return np.asarray(rail * np.tanh(wave / rail))


def coded(wave: Wave, rate: int, container: str, codec: str) -> Wave:
    """The wave from a file of this format, as libsndfile codes it by default."""
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format=container, subtype=codec)
    file.seek(0)
    result = np.zeros(len(wave))
    decoded = soundfile.read(file)[0][: len(wave)]
    result[: len(decoded)] = decoded
    return result


def gaps_of(samples: int, length: int, share: float, rng: np.random.Generator) -> list[Gap]:
    """Random gaps of this length, with at least as much between two of them."""
    slots = samples // (2 * length) - 1
    chosen = np.sort(rng.choice(slots, min(slots, round(share * samples / length)), replace=False))
    starts = [length + 2 * length * int(slot) + int(rng.integers(length // 2)) for slot in chosen]
    return [(start, start + length) for start in starts]


def band_limited(wave: Wave, rate: int, edge: float) -> Wave:
    """Without anything above ``edge`` Hz."""
    spectrum = np.fft.rfft(wave)
    spectrum[round(edge * len(wave) / rate) :] = 0
    return np.asarray(np.fft.irfft(spectrum, len(wave)))


def room(rate: int, t60: float, rng: np.random.Generator) -> Wave:
    """An impulse response by the image method (Allen & Berkley 1979), from its direct sound, which has the level one.

    A random box with equal walls, whose absorption is that of Eyring's formula for ``t60`` in seconds.
    """
    size = rng.uniform([4, 3, 2.4], [9, 7, 3.5])
    surface, volume = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2]), float(size.prod())
    reflection = np.sqrt(np.exp(-0.161 * volume / (surface * t60)))
    source, ear = rng.uniform(0.2, 0.8, 3) * size, rng.uniform(0.2, 0.8, 3) * size
    most = np.ceil(343 * t60 / (2 * size)).astype(int)
    axes = [np.arange(-n, n + 1) for n in most]
    response = np.zeros(round(t60 * rate) + 1)
    for mirrored in np.ndindex(2, 2, 2):
        sign = 1 - 2 * np.array(mirrored)
        parts = [sign[k] * source[k] + 2 * axes[k] * size[k] - ear[k] for k in range(3)]
        bounces = [np.abs(axes[k] - mirrored[k]) + np.abs(axes[k]) for k in range(3)]
        distance = np.sqrt(sum(np.square(p).reshape([-1 if i == k else 1 for i in range(3)]) for k, p in enumerate(parts)))
        count = sum(b.reshape([-1 if i == k else 1 for i in range(3)]) for k, b in enumerate(bounces))
        late = distance / 343 * rate
        there = late < len(response) - 1
        np.add.at(response, np.round(late[there]).astype(int), (reflection**count / np.maximum(distance, 0.1))[there])
    direct = int(np.abs(response).argmax())
    return np.asarray(response[direct:] / response[direct])


def reverberant(wave: Wave, response: Wave, rate: int) -> tuple[Wave, Wave]:
    """The wave in a room, and with the reflections of its first 50 ms only."""
    early = response * (np.arange(len(response)) < 0.05 * rate)
    return tuple(oaconvolve(wave, each)[: len(wave)] for each in (response, early))  # type: ignore[return-value]


def by_cubic_spline(wave: Wave, lost: NDArray[np.bool_]) -> Wave:
    """Lost samples by a cubic spline through the others."""
    places = np.arange(len(wave))
    return np.where(lost, CubicSpline(places[~lost], wave[~lost])(places).clip(-4, 4), wave)


def by_a_spade(wave: Wave, rail: float, rate: int, most: int = 600) -> Wave:
    """Clipped samples by A-SPADE (Kitic, Bertin & Gribonval 2015): frames of 64 ms, redundancy 2, one more bin per step."""
    size, scale = 2 * round(0.032 * rate), 0.3 / rail
    hop, weight = size // 4, np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    padded = np.pad(wave * scale, (size, 2 * size)).astype(np.float32)
    starts = np.arange(0, len(wave) + size, hop)
    result, total = np.zeros(len(padded)), np.zeros(len(padded))
    for first in range(0, len(starts), 128):
        here = starts[first : first + 128]
        frames = np.stack([padded[at : at + size] for at in here])
        for at, frame in zip(here, _spade(frames, 0.3, most), strict=True):
            result[at : at + size] += weight * frame
            total[at : at + size] += weight
    return np.asarray((result / np.maximum(total, 1e-9))[size : size + len(wave)] / scale)


def _spade(frames: NDArray[np.float32], rail: float, most: int) -> NDArray[np.float32]:
    upper, lower = frames >= rail - 1e-6, frames <= -rail + 1e-6
    size, x = frames.shape[1], frames.copy()
    live = np.flatnonzero((upper | lower).any(1))
    dual = np.zeros((len(frames), size + 1), np.complex64)
    unit = np.float32(1 / np.sqrt(2 * size))
    for bins in range(1, most + 1):
        if not len(live):
            break
        wanted = rfft(x[live], 2 * size, axis=1) * unit + dual[live]
        level = np.partition(np.abs(wanted), -bins, axis=1)[:, -bins, None]
        sparse = np.where(np.abs(wanted) >= level, wanted, 0)
        new = irfft((sparse - dual[live]) / unit, 2 * size, axis=1)[:, :size]
        new = np.where(upper[live], np.maximum(new, rail), np.where(lower[live], np.minimum(new, -rail), frames[live]))
        x[live] = new
        rest = rfft(new, 2 * size, axis=1) * unit - sparse
        dual[live] += rest
        live = live[np.sqrt(2 * np.square(np.abs(rest)).sum(1)) > 0.1]
    return x


def by_repetition(wave: Wave, gaps: list[Gap]) -> Wave:
    """Gaps with what came before them."""
    result = wave.copy()
    for start, stop in gaps:
        result[start:stop] = wave[2 * start - stop : start]
    return result


def by_interpolated_spectra(wave: Wave, gaps: list[Gap], rate: int) -> Wave:
    """Gaps with magnitudes between those of the frames before and after, and with phases that advance as before the gap."""
    result, size = wave.copy(), 2 * round(0.016 * rate)
    hop, window = size // 4, np.hanning(size)
    for start, stop in gaps:
        if start < size + hop or stop + size > len(wave):
            continue
        before, earlier, after = (
            np.fft.rfft(window * wave[at : at + size]) for at in (start - size, start - size - hop, stop)
        )
        advance = np.exp(1j * (np.angle(before) - np.angle(earlier)))
        count = -(-(stop - start + size) // hop)
        made, total, phase = (
            np.zeros((count + 4) * hop + size),
            np.zeros((count + 4) * hop + size),
            np.exp(1j * np.angle(before)),
        )
        for number in range(1, count + 1):
            share, phase = number / (count + 1), phase * advance
            frame = np.fft.irfft(((1 - share) * np.abs(before) + share * np.abs(after)) * phase, size)
            made[number * hop : number * hop + size] += window * frame
            total[number * hop : number * hop + size] += window**2
        part = made[size : size + stop - start] / np.maximum(total[size : size + stop - start], 0.1)
        result[start:stop] = part
    return result


def by_replication(wave: Wave, rate: int, edge: float, decibels: float) -> Wave:
    """The band below ``edge`` moved above it, this much weaker."""
    spectrum = np.fft.rfft(wave)
    first = round(edge * len(wave) / rate)
    count = min(first, len(spectrum) - first)
    spectrum[first : first + count] = spectrum[:count] * 10 ** (-decibels / 20)
    return np.asarray(np.fft.irfft(spectrum, len(wave)))
