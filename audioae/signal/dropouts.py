"""Finds dropouts: short runs of equal samples with abrupt edges, and exact repetitions of earlier samples."""

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float32]
Gap = tuple[int, int]
SHORTEST_SECONDS, LONGEST_SECONDS = 0.005, 0.25
"""Length of dropouts. Longer silence is a pause or a cut."""
STEP = 1 / 32768
EDGE_SECONDS = 0.002
LOUD_EDGE = 1.0 * STEP
"""Least RMS next to a dropout, on one side. Recordings that fade into digital silence are quieter there."""
SHORTEST_REPEAT_SECONDS, LONGEST_REPEAT_SECONDS = 0.008, 0.13
"""Distance between a packet and its repetition."""
PERIODIC_SECONDS = 0.35
"""Length of an exact repetition beyond which the sound itself is periodic, such as a test tone."""
LOUD_REPEAT = 1.0 * STEP
"""Least RMS of a repetition. Quiet noise of one or two steps repeats itself by chance."""
HASHED = 32
"""Samples per hash, a power of two."""
FACTOR = 0x9E3779B97F4A7C15
"""An odd number whose powers look random."""
HELD_SECONDS, FRESH_SECONDS = 0.8, 1.6
"""Samples that are kept to find repetitions that continue in the next block, and new ones that are collected before each
search, which covers both."""


class DropoutFinder:
    """Finds the dropouts of one channel that is fed block by block.

    Args:
        rate: Hz.

    >>> wave = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    >>> wave[5000:5400] = 0
    >>> wave[9000:9320] = wave[8680:9000]
    >>> finder = DropoutFinder(16000)
    >>> finder.feed(wave)
    >>> finder.finish()
    [(5000, 5400), (9000, 9320)]
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._held = np.zeros(0, np.float32)
        self._fresh: list[Wave] = []
        self._start = 0  # position of the first held sample
        self._gaps: list[Gap] = []

    def feed(self, wave: Wave) -> None:
        """Take the next samples ``(N,)``."""
        self._fresh.append(wave.copy())
        if sum(map(len, self._fresh)) < FRESH_SECONDS * self.rate:
            return
        held = self._taken()
        self._find(held, last=False)
        kept = min(len(held), round(HELD_SECONDS * self.rate))
        self._start += len(held) - kept
        self._held = held[len(held) - kept :].copy()

    def finish(self) -> list[Gap]:
        """Return the first sample and the end of each dropout, in order."""
        self._find(self._taken(), last=True)
        return _merged(self._gaps)

    def _taken(self) -> Wave:
        """Take the new samples, and return them after the held ones."""
        held = np.concatenate([self._held, *self._fresh])
        self._fresh = []
        return held

    def _find(self, held: Wave, last: bool) -> None:
        """Add the dropouts within the held samples. Those that are found twice are merged at the end."""
        complete = len(held) - (0 if last else round((LONGEST_SECONDS + EDGE_SECONDS) * self.rate))
        found = [*constant_runs(held, self.rate), *repetitions(held, self.rate)]
        self._gaps += [(self._start + start, self._start + stop) for start, stop in found if stop <= complete or last]


def _merged(gaps: list[Gap]) -> list[Gap]:
    result: list[Gap] = []
    for start, stop in sorted(set(gaps)):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def constant_runs(wave: Wave, rate: int) -> list[Gap]:
    """Runs of equal samples within ``wave`` ``(N,)`` that begin or end abruptly, neither at its start nor at its end."""
    equal = np.concatenate([[False], np.abs(np.diff(wave)) < STEP / 2, [False]])
    edges = np.flatnonzero(equal[1:] != equal[:-1])
    starts, stops = edges[::2], edges[1::2] + 1
    shortest, longest = round(SHORTEST_SECONDS * rate), round(LONGEST_SECONDS * rate)
    fits = (stops - starts >= shortest) & (stops - starts <= longest) & (starts > 0) & (stops < len(wave))
    edge, found = max(2, round(EDGE_SECONDS * rate)), []
    for start, stop in zip(starts[fits], stops[fits], strict=True):
        value = float(wave[start])
        sides = wave[max(0, start - edge) : start], wave[stop : stop + edge]
        near = wave[max(0, start - longest) : stop + longest]
        if abs(value) > 0.5 * float(np.abs(near).max()):
            continue  # clipping
        if max(float(np.sqrt(np.square(side - value).mean())) for side in sides if len(side)) > LOUD_EDGE:
            found.append((int(start), int(stop)))
    return found


def repetitions(wave: Wave, rate: int) -> list[Gap]:
    """Parts of ``wave`` ``(N,)`` that exactly repeat what came 8 to 130 ms before, and are not periodic for longer."""
    shortest, longest = (round(s * rate) for s in (SHORTEST_REPEAT_SECONDS, LONGEST_REPEAT_SECONDS))
    if len(wave) < shortest + HASHED:
        return []
    codes = np.round(wave / STEP).astype(np.int64)
    hashes = _hashes(codes)
    places = _fingerprints(hashes)
    places = places[hashes[places] != codes[places].astype(np.uint64) * _hashes(np.ones(HASHED, np.int64))]  # constants
    places = places[np.argsort(hashes[places], kind="stable")]
    again = (np.diff(hashes[places]) == 0) & (np.diff(places) <= longest)
    found: list[Gap] = []
    done = 0
    for number in sorted((np.flatnonzero(again) + 1).tolist(), key=places.__getitem__):
        query = int(places[number])
        if query < done:
            continue
        # The last place before the query with the same hash.
        same = places[max(0, number - 64) : number]
        same = same[(hashes[same] == hashes[query]) & (same <= query - shortest) & (same >= query - longest)]
        if not len(same):
            continue
        gap = _extent(codes, query, query - int(same[-1]), round(PERIODIC_SECONDS * rate) + 1)
        if gap is not None and shortest <= gap[1] - gap[0] <= PERIODIC_SECONDS * rate:
            part = wave[gap[0] : gap[1]]
            if float(part.std()) > LOUD_REPEAT:
                found.append(gap)
        done = gap[1] if gap is not None else query
    return found


def _hashes(codes: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A hash of every :data:`HASHED` consecutive samples: a polynomial modulo 2^64, by doubling its length."""
    values, factor, length = codes.astype(np.uint64), FACTOR, 1
    while length < HASHED:
        values = values[:-length] * np.uint64(factor) + values[length:]
        factor, length = factor * factor % 2**64, 2 * length
    return values


def _fingerprints(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The places of the lowest of every :data:`HASHED` consecutive hashes (winnowing, Schleimer et al. 2003).

    Equal parts of twice that length have the same fingerprints, so that the other hashes need not be compared.
    """
    mixed = (hashes ^ hashes >> np.uint64(29)) * np.uint64(FACTOR) >> np.uint64(32)
    lowest = np.pad(mixed, HASHED - 1, constant_values=np.uint64(2**64 - 1))
    for reduced in (np.minimum, np.maximum):
        length = 1
        while length < HASHED:
            lowest = reduced(lowest[:-length], lowest[length:])
            length *= 2
    return np.flatnonzero(lowest == mixed)


def _extent(codes: NDArray[np.int64], place: int, lag: int, most: int) -> Gap | None:
    """Return the range around ``place`` whose samples equal those ``lag`` before; None for a constant.

    It is looked for up to ``most`` samples away. Otherwise, sounds with many repetitions would take quadratic time.
    """
    first = max(lag, place - most)
    stop = place + most
    equal = codes[first:stop] == codes[first - lag : min(stop, len(codes)) - lag]
    at = place - first
    if not equal[at : at + HASHED].all() or np.ptp(codes[place : place + HASHED]) == 0:
        return None
    before, after = np.flatnonzero(~equal[:at]), np.flatnonzero(~equal[at:])
    start = int(before[-1]) + 1 if len(before) else 0
    end = at + int(after[0]) if len(after) else len(equal)
    return first + start, first + end
