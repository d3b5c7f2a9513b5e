"""Restores clipped samples between the others, which stay as they are.

Each frame is taken for a Gaussian process whose spectrum is that of an estimate. The clipped samples are the most likely
ones for this spectrum, given the others, and not below the rail (after Bilen, Ozerov & Perez, "Audio declipping via
nonnegative matrix factorization", 2015, with the spectrum of a network's estimate in place of a factorisation). The spectrum
is then taken from the result, and so on. Where most samples are clipped, the others determine little, and the mean of the
process is a share of the network's estimate. Frames with few clipped samples are solved exactly, the others by a few steps
of conjugate gradients: more of them make the result worse, because the spectrum is not known well enough.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft  # in single precision, unlike numpy's
from scipy.linalg.lapack import sposv

Wave = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Mask = NDArray[np.bool_]
FRAME_SECONDS = 0.064
ROUNDS, REFITS, STEPS = 4, 3, 10
"""Updates of the spectrum, solutions for each (those below the rail are fixed in between), and steps of each solution."""
FEW = 128
"""Most clipped samples of a frame whose equations are solved exactly, which is quicker up to there."""
FLOOR = 1.5e-3
"""Least power of a bin relative to the frame's mean. Lower values trust the estimate's weak bins too much."""
RIDGE = 1e-5
"""What exact solutions add to the diagonal, so that single precision suffices."""
NEIGHBOURS = 0.25
"""Weight of the spectra of the frames before and after."""
TRUST, SOME, MOST = 0.8, 0.75, 0.95
"""Share of the network's estimate in the mean of frames with mostly clipped samples, and the shares of clipped samples
between which it rises."""
TINY = 1e-20


def frames_of(rate: int) -> int:
    """Samples per frame, an even number whose Fourier transform is quick."""
    size = round(FRAME_SECONDS * rate)
    while size % 2 or next_fast_len(size, real=True) != size:
        size += 1
    return size


def declipped(
    wave: Wave, estimate: Wave, upper: Mask, lower: Mask, rails: tuple[float | Wave, float | Wave], rate: int
) -> Wave:
    """The wave with its clipped samples restored; all others are unchanged.

    Args:
        wave: clipped, ``(N,)``.
        estimate: of the unclipped wave, such as a network's, ``(N,)``.
        upper: samples at the upper rail, ``(N,)``.
        lower: samples at the lower rail, ``(N,)``.
        rails: upper and lower rail, positive; of each sample ``(N,)``, or the same for all.
        rate: Hz.

    >>> time = np.arange(8000) / 16000
    >>> whole = np.sin(2 * np.pi * 310 * time).astype(np.float32)
    >>> wave = np.clip(whole, -0.8, 0.8)
    >>> result = declipped(wave, 0.9 * whole, wave >= 0.8, wave <= -0.8, (0.8, 0.8), 16000)
    >>> bool(np.abs(result - whole)[1000:7000].max() < 0.03), bool((result == wave)[np.abs(wave) < 0.8].all())
    (True, True)
    """
    if not (upper | lower).any():
        return wave
    sign = upper.astype(np.float32) - lower.astype(np.float32)
    rail = np.where(upper, rails[0], np.where(lower, rails[1], 0)).astype(np.float32)
    size = frames_of(rate)
    padding = size, size + -len(wave) % (size // 2)
    waves = _consistent(wave, estimate, sign, rail), estimate, sign, rail
    solved = _solved(*(_frames(np.pad(each, padding), size) for each in waves))
    return _consistent(wave, _joined(solved, size)[size : size + len(wave)], sign, rail)


def _consistent(wave: Wave, estimate: Wave, sign: Wave, rail: Wave) -> Wave:
    """The estimate at clipped samples, not below the rail; the wave at all others."""
    return np.where(sign != 0, sign * np.maximum(sign * estimate, rail), wave).astype(np.float32)


def _frames(wave: Wave, size: int) -> Wave:
    return np.lib.stride_tricks.sliding_window_view(wave, size)[:: size // 2]


def _joined(frames: Wave, size: int) -> Wave:
    """Overlap-add with the squared window, which sums to one."""
    weighted = (frames * np.square(_window(size))).reshape(len(frames), 2, size // 2)
    result = np.zeros((len(frames) + 1, size // 2), np.float32)
    result[:-1] = weighted[:, 0]
    result[1:] += weighted[:, 1]
    return result.reshape(-1)


def _window(size: int) -> Wave:
    return np.sin(np.pi * (np.arange(size) + 0.5) / size).astype(np.float32)


def _solved(guess: Wave, estimate: Wave, sign: Wave, rail: Wave) -> Wave:
    """Frames ``(T, M)`` with their clipped samples restored; ``guess`` is the first solution."""
    window = _window(guess.shape[1])
    counts = (sign != 0).sum(1)
    busy = np.flatnonzero(counts)
    few, many = np.flatnonzero(counts[busy] <= FEW), np.flatnonzero(counts[busy] > FEW)
    result = guess * window
    power = np.pad(np.square(np.abs(rfft(result, axis=1))), ((1, 1), (0, 0)))  # frame t is row t + 1
    x, sign, rail = result[busy], sign[busy], rail[busy] * window
    trust = TRUST * np.clip((counts[busy, None] / guess.shape[1] - SOME) / (MOST - SOME), 0, 1).astype(np.float32)
    mean = trust[many] * rfft(estimate[busy[many]] * window, axis=1)
    equations = [_Equations(sign[frame], rail[frame]) for frame in few]
    for _ in range(ROUNDS):
        weights = power[busy + 1] + NEIGHBOURS * (power[busy] + power[busy + 2])
        weights = 1 / (weights + FLOOR * weights.mean(1, keepdims=True) + TINY)
        weights /= weights.mean(1, keepdims=True)
        if len(few):
            x[few] = _exact(x[few], weights[few], equations)
        if len(many):
            x[many] = _approximate(x[many], weights[many], mean, sign[many], rail[many])
        power[busy + 1] = np.square(np.abs(rfft(x, axis=1)))
    result[busy] = x
    return result / window


class _Equations:
    """The normal equations of one frame with few clipped samples, in single precision.

    Args:
        sign: of the rail at clipped samples, else 0, ``(M,)``.
        rail: ``(M,)``, with the window.
    """

    def __init__(self, sign: Wave, rail: Wave) -> None:
        self.places = np.flatnonzero(sign)
        self._lags = np.abs(self.places[:, None] - self.places)
        self._sign, self._least = sign[self.places], rail[self.places]

    def solution(self, now: Wave, correlation: Wave, gradient: Wave) -> Wave:
        """The clipped samples with the least weighted power.

        Args:
            now: the samples before.
            correlation: inverse transform of the weights, ``(M,)``.
            gradient: half of the weighted power's at ``now``.
        """
        matrix = correlation[self._lags]
        matrix.flat[:: len(matrix) + 1] += RIDGE
        _, change, _ = sposv(matrix, -gradient)
        free = np.ones(len(now), np.bool_)
        for _ in range(REFITS - 1):
            beyond = free & (self._sign * (now + change) < self._least)
            free &= ~beyond
            if not beyond.any() or not free.any():
                break
            change = np.where(free, 0, self._sign * self._least - now)
            rest = gradient + matrix @ change
            _, change[free], _ = sposv(matrix[np.ix_(free, free)], -rest[free])
        return self._sign * np.maximum(self._sign * (now + change), self._least)


def _exact(x: Wave, weights: Wave, equations: list[_Equations]) -> Wave:
    """Frames ``(T, M)`` with few clipped samples, which minimise the weighted spectral power."""
    correlations = irfft(weights, x.shape[1], axis=1)
    gradients = irfft(rfft(x, axis=1) * weights, x.shape[1], axis=1)
    for frame, correlation, gradient, own in zip(x, correlations, gradients, equations, strict=True):
        frame[own.places] = own.solution(frame[own.places], correlation, gradient[own.places])
    return x


def _approximate(x: Wave, weights: Wave, mean: Spectra, sign: Wave, rail: Wave) -> Wave:
    """Frames ``(T, M)`` with many clipped samples, nearer to the least weighted distance from ``mean`` ``(T, F)``."""
    free = sign != 0
    for _ in range(REFITS):
        x = _descended(x, free, weights, mean)
        beyond = free & (sign * x < rail)
        x = np.where(beyond, sign * rail, x)
        free &= ~beyond
    return x


def _descended(x: Wave, free: Mask, weights: Wave, mean: Spectra) -> Wave:
    """Some steps of conjugate gradients over the free samples of frames ``(T, M)``."""
    mask = free.astype(np.float32)

    def weighted(spectrum: Spectra) -> Wave:
        spectrum *= weights
        result: Wave = irfft(spectrum, x.shape[1], axis=1, overwrite_x=True)
        result *= mask
        return result

    x = x.copy()
    residual = weighted(mean - rfft(x, axis=1))
    direction, energy = residual.copy(), _energy(residual, residual)
    for _ in range(STEPS):
        image = weighted(rfft(direction, axis=1))
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
