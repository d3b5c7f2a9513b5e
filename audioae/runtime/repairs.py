"""Repairs a recording whose damage is known, chunk by chunk.

Clipping and dropouts are local: all other samples stay as they are, to the bit. A missing upper band is added to the
recording. Late reverberation affects every sample, and so does its removal.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, oaconvolve

from audioae.audio.layout import AnyWave
from audioae.runtime.segments import Cleaning
from audioae.signal.arrays import as_array
from audioae.signal.clipping import clipped
from audioae.signal.damage import Damage
from audioae.signal.declip import declipped, frames_of
from audioae.signal.dropouts import LONGEST_SECONDS, Gap
from audioae.signal.prediction import CONTEXT_SECONDS, filled

Wave = NDArray[np.float32]
Mask = NDArray[np.bool_]
WINDOWS_AT_A_TIME = 3
"""Windows in which clipping is repaired together, which saves overlaps and calls; fewer of recordings with more channels."""
CROSSOVER_SECONDS = 0.012
"""Length of the filter that separates an added upper band."""
ADDED_BAND_GAINS_DB = (3_400.0, 13.0), (4_000.0, 11.5), (5_500.0, 8.0), (7_200.0, 5.0)
"""Edges in Hz, and gains in dB of the added band that give it the right energy on average."""


class Untouched:
    """Returns every sample as it is: for recordings without damage."""

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """Return the chunk."""
        return wave

    def flush_wave(self) -> AnyWave:
        """Return an empty chunk."""
        return np.zeros((1, 1, 0), np.float32)


class Chain:
    """Two ways of cleaning, one after the other."""

    def __init__(self, first: Cleaning, second: Cleaning) -> None:
        self.first, self.second = first, second

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """Take a chunk and return the samples that are ready."""
        return self.second.feed_wave(self.first.feed_wave(wave))

    def flush_wave(self) -> AnyWave:
        """Return the remaining samples."""
        rest = as_array(self.first.flush_wave())
        parts = [as_array(self.second.feed_wave(rest))] if rest.shape[-1] else []
        ready = [part for part in [*parts, as_array(self.second.flush_wave())] if part.shape[-1]]
        return np.concatenate(ready, axis=-1) if ready else rest


class Restoring:
    """Repairs a recording, chunk by chunk, with the same result for any chunks.

    Args:
        damage: what was found.
        network: the restorer's stream, which estimates every sample; :class:`Untouched` for dropouts alone, which linear
            prediction fills better.
    """

    def __init__(self, damage: Damage, network: Cleaning) -> None:
        self.damage, self.network = damage, network
        channels = len(damage.gaps)
        self._filler = GapFiller(damage.gaps, damage.rate)
        # The recording with filled gaps and the network's estimate, both (C, N), from sample _base on.
        self._held = [np.zeros((channels, 0), np.float32) for _ in range(2)]
        self._base = self._done = 0
        self._context = 2 * frames_of(damage.rate)
        self._length = damage.window * max(1, WINDOWS_AT_A_TIME // max(channels, 1))

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """Take a chunk ``(1, C, N)`` and return the samples that are ready."""
        whole = self._filler.feed(np.asarray(as_array(wave)[0], np.float32))
        estimate = as_array(self.network.feed_wave(whole[None]))[0] if whole.shape[1] else whole
        return self._restored((whole, estimate), last=False)

    def flush_wave(self) -> AnyWave:
        """Return the remaining samples."""
        whole = self._filler.flush()
        parts = [self.network.feed_wave(whole[None])] if whole.shape[1] else []
        parts = [each for each in [*parts, self.network.flush_wave()] if each.shape[-1]]
        estimate = np.concatenate([as_array(each)[0] for each in parts], axis=1) if parts else whole[:, :0]
        return self._restored((whole, estimate), last=True)

    def _restored(self, new: Iterable[Wave], last: bool) -> Wave:
        self._held = [np.concatenate(pair, axis=1) for pair in zip(self._held, new, strict=True)]
        ready = self._base + self._held[1].shape[1]
        results = [np.zeros((1, len(self.damage.gaps), 0), np.float32)]
        while self._done + self._length + self._context <= ready or (last and self._done < ready):
            stop = min(self._done + self._length, ready)
            results.append(self._part(self._done, stop)[None])
            self._done = stop
            passed = max(0, self._done - self._context - self._base)
            self._held = [each[:, passed:].copy() for each in self._held]
            self._base += passed
        return np.concatenate(results, axis=-1)

    def _part(self, start: int, stop: int) -> Wave:
        """The restored samples from ``start`` to ``stop``."""
        first = max(0, start - self._context)
        whole, estimate = (each[:, first - self._base : stop + self._context - self._base] for each in self._held)
        own = slice(start - first, stop - first)
        if self.damage.reverberation is not None:
            return estimate[:, own]
        result = whole.copy()
        for channel, wave in enumerate(result):
            upper, lower, rails = self._clipped(wave, channel, first)
            result[channel] = declipped(wave, estimate[channel], upper, lower, rails, self.damage.rate)
        if self.damage.edge is not None:
            lift = np.float32(10 ** (added_band_gain(self.damage.edge) / 20))
            result += lift * upper_band(estimate, self.damage.edge, self.damage.rate)
        return result[:, own]

    def _clipped(self, wave: Wave, channel: int, start: int) -> tuple[Mask, Mask, tuple[Wave, Wave]]:
        """Masks of the samples of ``wave`` ``(N,)``, from ``start`` on, at the upper and the lower rail, and the rails."""
        upper, lower = np.zeros((2, len(wave)), np.bool_)
        rails = np.full((2, len(wave)), np.inf, np.float32)
        window = self.damage.window
        for number in range(start // window, min(-(-(start + len(wave)) // window), len(self.damage.rails))):
            own = slice(max(0, number * window - start), (number + 1) * window - start)
            limits = self.damage.rails[number, channel]
            if np.isfinite(limits).any():
                upper[own], lower[own] = clipped(wave[own], limits)
                rails[:, own] = limits[:, None]
        return upper, lower, (rails[0], rails[1])


class GapFiller:
    """Fills dropouts by linear prediction, chunk by chunk, with the same result for any chunks.

    Args:
        gaps: first sample and end of each, for each channel.
        rate: Hz.
    """

    def __init__(self, gaps: tuple[tuple[Gap, ...], ...], rate: int) -> None:
        self.gaps, self.rate = gaps, rate
        self._held = np.zeros((len(gaps), 0), np.float32)
        self._base = self._done = 0
        self._context = round((CONTEXT_SECONDS + LONGEST_SECONDS) * rate)

    def feed(self, wave: Wave) -> Wave:
        """Take ``(C, N)`` and return the samples that are ready."""
        if not any(self.gaps):
            return wave
        self._held = np.concatenate([self._held, wave], axis=1)
        ready = self._base + self._held.shape[1] - self._context
        for gaps in self.gaps:
            before = bisect_left(gaps, ready, key=itemgetter(0)) - 1
            if before >= 0 and gaps[before][1] > ready:
                ready = gaps[before][0]
        return self._take(max(ready, self._done))

    def flush(self) -> Wave:
        """Return the remaining samples."""
        return self._take(self._base + self._held.shape[1])

    def _take(self, stop: int) -> Wave:
        end, parts = self._base + self._held.shape[1], []
        for wave, gaps in zip(self._held, self.gaps, strict=True):
            near = [(a - self._base, b - self._base) for a, b in _within(gaps, self._base, end)]
            part = filled(wave, near, self.rate) if near else wave
            parts.append(part[self._done - self._base : stop - self._base])
        passed = max(0, stop - self._context - self._base)
        self._held, self._base, self._done = self._held[:, passed:], self._base + passed, stop
        return np.stack(parts)


def _within(gaps: Sequence[Gap], start: int, stop: int) -> Iterator[Gap]:
    """The parts between ``start`` and ``stop`` of ordered gaps, found by bisection, because there may be a million."""
    for first, last in gaps[bisect_right(gaps, start, key=itemgetter(1)) : bisect_left(gaps, stop, key=itemgetter(0))]:
        yield max(first, start), min(last, stop)


def added_band_gain(edge: float) -> float:
    """Gain in dB of an added band above ``edge`` Hz.

    The network estimates the most likely compressed magnitudes, whose energy is too low. The lower the edge, the larger is
    the error.

    >>> added_band_gain(4000), added_band_gain(5500)
    (11.5, 8.0)
    """
    edges, gains = zip(*ADDED_BAND_GAINS_DB, strict=True)
    return float(np.interp(edge, np.array(edges), np.array(gains)))


def upper_band(estimate: Wave, edge: float, rate: int) -> Wave:
    """The part of ``(C, N)`` above ``edge`` Hz, without delay."""
    taps = 2 * round(CROSSOVER_SECONDS * rate / 2) + 1
    kernel = firwin(taps, edge, pass_zero=False, fs=rate).astype(np.float32)
    return np.asarray(oaconvolve(estimate, kernel[None], mode="same", axes=1), np.float32)
