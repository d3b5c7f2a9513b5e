"""Restores clipped samples between the others, which stay as they are.

Each frame is taken for a Gaussian process whose spectrum is that of an estimate. The clipped samples are the most likely
ones for this spectrum, given the others, and not below the rail (after Bilen, Ozerov & Perez, "Audio declipping via
nonnegative matrix factorization", 2015, with the spectrum of a network's estimate in place of a factorisation). The spectrum
is then taken from the result, and so on. The equations are solved by conjugate gradients, all frames at once.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft  # in single precision, unlike numpy's

Wave = NDArray[np.float32]
Mask = NDArray[np.bool_]
FRAME_SECONDS = 0.064
ROUNDS, REFITS, STEPS = 6, 2, 20
"""Updates of the spectrum, solutions for each (those below the rail are fixed in between), and steps of each solution."""
FLOOR = 2e-3
"""Least power of a bin relative to the frame's mean. Lower values trust the estimate's weak bins too much."""
NEIGHBOURS = 0.25
"""Weight of the spectra of the frames before and after."""
GUESS_SHARE, FEW, MANY = 0.3, 0.15, 0.5
"""Share of the network's estimate in the result where many samples are clipped, and the shares of clipped samples between
which it rises. The fewer samples are known, the less the others follow from them."""
TINY = 1e-20


def frames_of(rate: int) -> int:
    """Samples per frame, an even number."""
    return 2 * round(FRAME_SECONDS * rate / 2)


def declipped(wave: Wave, estimate: Wave, upper: Mask, lower: Mask, rails: tuple[float, float], rate: int) -> Wave:
    """The wave with its clipped samples restored; all others are unchanged.

    Args:
        wave: clipped, ``(N,)``.
        estimate: of the unclipped wave, such as a network's, ``(N,)``.
        upper: samples at the upper rail, ``(N,)``.
        lower: samples at the lower rail, ``(N,)``.
        rails: upper and lower rail, positive.
        rate: Hz.

    >>> time = np.arange(8000) / 16000
    >>> whole = np.sin(2 * np.pi * 310 * time).astype(np.float32)
    >>> wave = np.clip(whole, -0.8, 0.8)
    >>> result = declipped(wave, 0.9 * whole, wave >= 0.8, wave <= -0.8, (0.8, 0.8), 16000)
    >>> bool(np.abs(result - whole)[1000:7000].max() < 0.03), bool((result == wave)[np.abs(wave) < 0.8].all())
    (True, True)
    """
    either = upper | lower
    if not either.any():
        return wave
    sign = (upper.astype(np.float32) - lower.astype(np.float32)).astype(np.float32)
    rail = np.where(upper, rails[0], np.where(lower, rails[1], 0)).astype(np.float32)
    guess = _consistent(wave, _interpolated(wave, estimate, either), sign, rail)
    size = frames_of(rate)
    padding = size, size + -len(wave) % (size // 2)
    parts = [_frames(np.pad(each, padding), size) for each in (guess, sign, rail)]
    window = np.sin(np.pi * (np.arange(size) + 0.5) / size).astype(np.float32)
    solved = _solved(parts[0], parts[1], parts[2], window)
    result = _consistent(wave, _joined(solved, size)[size : size + len(wave)], sign, rail)
    share = np.float32(GUESS_SHARE * np.clip((either.mean() - FEW) / (MANY - FEW), 0, 1))
    return np.where(either, (1 - share) * result + share * guess, wave).astype(np.float32)


def _interpolated(wave: Wave, estimate: Wave, either: Mask) -> Wave:
    """The estimate without its error, which is known at the other samples and interpolated between them."""
    places = np.arange(len(wave))
    good = places[~either]
    if not len(good):
        return estimate
    return (estimate - np.interp(places, good, (estimate - wave)[good])).astype(np.float32)


def _consistent(wave: Wave, estimate: Wave, sign: Wave, rail: Wave) -> Wave:
    """The estimate at clipped samples, not below the rail; the wave at all others."""
    return np.where(sign != 0, sign * np.maximum(sign * estimate, rail), wave).astype(np.float32)


def _frames(wave: Wave, size: int) -> Wave:
    return np.lib.stride_tricks.sliding_window_view(wave, size)[:: size // 2].copy()


def _joined(frames: Wave, size: int) -> Wave:
    """Overlap-add with the squared window, which sums to one."""
    weight = np.square(np.sin(np.pi * (np.arange(size) + 0.5) / size)).astype(np.float32)
    hop = size // 2
    result = np.zeros((len(frames) + 1) * hop, np.float32)
    for number, frame in enumerate(frames * weight):
        result[number * hop : number * hop + size] += frame
    return result


def _solved(guess: Wave, sign: Wave, rail: Wave, window: Wave) -> Wave:
    """Frames ``(T, M)`` with their clipped samples restored."""
    busy = np.flatnonzero((sign != 0).any(1))
    current = guess.copy()
    sign, rail = sign[busy], rail[busy]
    for _ in range(ROUNDS):
        power = np.square(np.abs(rfft(current * window, axis=1)))
        shared = power.copy()
        shared[1:] += NEIGHBOURS * power[:-1]
        shared[:-1] += NEIGHBOURS * power[1:]
        weights = shared[busy]
        weights = 1 / (weights + FLOOR * weights.mean(1, keepdims=True) + TINY)
        weights /= weights.mean(1, keepdims=True)
        x, free = current[busy], sign != 0
        for _ in range(REFITS):
            x = np.where(free, _most_likely(x * window, free, weights) / window, x)
            beyond = free & (sign * x < rail)
            x = np.where(beyond, sign * rail, x)
            free &= ~beyond
        current[busy] = x
    return current


def _most_likely(x: Wave, free: Mask, weights: Wave) -> Wave:
    """Minimise the weighted spectral power of frames ``(T, M)`` over their free samples, by conjugate gradients."""

    mask = free.astype(np.float32)

    def gradient(frames: Wave) -> Wave:
        spectrum = rfft(frames, axis=1)
        spectrum *= weights
        result: Wave = irfft(spectrum, frames.shape[1], axis=1, overwrite_x=True)
        result *= mask
        return result

    x = x.copy()
    residual = -gradient(x)
    direction, energy = residual.copy(), _energy(residual, residual)
    for _ in range(STEPS):
        image = gradient(direction)
        step = energy / np.maximum(_energy(direction, image), TINY)
        x += step * direction
        image *= step
        residual -= image
        after = _energy(residual, residual)
        direction *= after / np.maximum(energy, TINY)
        direction += residual
        energy = after
    return x


def _energy(one: Wave, other: Wave) -> Wave:
    """The inner product of each frame ``(T, M)`` with that of another, ``(T, 1)``."""
    return np.einsum("tm,tm->t", one, other)[:, None]
