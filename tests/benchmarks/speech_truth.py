"""Ground truth of speech activity, from the clean side of a pair.

A frame of 10 ms is speech if its level is at most 25 dB below the active level of the recording (``active_rms``: the level
of the 20 ms frames within 35 dB of the loudest). Pauses shorter than 0.2 s between speech count as speech, as in ITU-T P.56;
segments that are still shorter than 50 ms do not.
"""

import numpy as np
from numpy.typing import NDArray

from audioae.signal.levels import active_rms, to_db

STEP_SECONDS = 0.01
RANGE_DB = 25.0
PAUSE_SECONDS, BURST_SECONDS = 0.2, 0.05
OVERLAP = 0.5
"""Overlap over union from which a segment that was found counts as the true one."""
Flags = NDArray[np.bool_]
Spans = list[tuple[float, float]]


def runs(flags: Flags) -> list[tuple[int, int]]:
    """First and end of each run of true values."""
    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def speech_frames(clean: NDArray[np.float32], rate: int, level: float | None = None) -> Flags:
    """Whether each 10 ms of ``(N,)`` hold speech.

    Args:
        clean: the clean side.
        rate: Hz.
        level: active level in dBFS; measured by default.
    """
    size = round(STEP_SECONDS * rate)
    count = len(clean) // size
    energy = np.square(clean[: count * size].reshape(count, size), dtype=np.float64).mean(1)
    level = to_db(active_rms(clean, rate)) if level is None else level
    return joined(10 * np.log10(energy + 1e-20) >= level - RANGE_DB)


def joined(flags: Flags) -> Flags:
    """Frames of 10 ms with short pauses filled, and then short bursts dropped."""
    flags, count = flags.copy(), len(flags)
    for first, end in runs(~flags):
        if first and end < count and end - first < PAUSE_SECONDS / STEP_SECONDS:
            flags[first:end] = True
    for first, end in runs(flags):
        if end - first < BURST_SECONDS / STEP_SECONDS:
            flags[first:end] = False
    return flags


def spans(flags: Flags) -> Spans:
    """The segments of 10 ms frames, in seconds."""
    return [(first * STEP_SECONDS, end * STEP_SECONDS) for first, end in runs(flags)]


def at_steps(values: NDArray[np.float32], frame_seconds: float, count: int) -> NDArray[np.float32]:
    """Values of frames of any length, at the middle of each of ``count`` steps of 10 ms."""
    middle = (np.arange(count) + 0.5) * STEP_SECONDS
    return values[np.minimum((middle / frame_seconds).astype(int), len(values) - 1)]


def matches(found: Spans, true: Spans) -> NDArray[np.int64]:
    """Numbers of segments: found and true, found, true."""
    left = list(true)
    hits = 0
    for begin, end in found:
        for other in left:
            shared = min(end, other[1]) - max(begin, other[0])
            if shared > 0 and shared / (max(end, other[1]) - min(begin, other[0])) >= OVERLAP:
                left.remove(other)
                hits += 1
                break
    return np.array([hits, len(found), len(true)])


def f1(counts: NDArray[np.int64]) -> float:
    """The F1 score of the sum of :func:`matches`."""
    return float(2 * counts[0] / max(1, counts[1] + counts[2]))
