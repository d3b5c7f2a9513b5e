"""Segments from probabilities: their laws, and a plain reference that sees all frames at once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audioae.signal import speech
from audioae.signal.speech import Segment, Segmenter

FRAME = 0.016
LEVELS = st.sampled_from([0.0, (speech.ENTER + speech.LEAVE) / 2, 1.0])
RUNS = st.lists(st.tuples(LEVELS, st.integers(1, 20)), max_size=30)


def found(probabilities: list[float], cuts: tuple[int, ...] = ()) -> list[Segment]:
    segmenter = Segmenter(FRAME)
    edges = [0, *sorted(min(cut, len(probabilities)) for cut in cuts), len(probabilities)]
    parts = [segmenter.feed(probabilities[a:b]) for a, b in pairwise(edges)]
    return [segment for part in [*parts, segmenter.flush()] for segment in part]


def reference(probabilities: list[float]) -> list[tuple[int, int]]:
    """First and end of the segments in frames, in three passes over the whole."""
    flags, speaks = [], False
    for each in probabilities:
        speaks = each >= speech.ENTER or (speaks and each >= speech.LEAVE)
        flags.append(speaks)
    edges = np.flatnonzero(np.diff([False, *flags, False]))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    joined: list[tuple[int, int]] = []
    for begin, end in runs:
        if joined and (begin - joined[-1][1]) * FRAME < speech.SHORTEST_PAUSE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return [(begin, end) for begin, end in joined if (end - begin) * FRAME >= speech.SHORTEST_SPEECH]


@given(RUNS, st.lists(st.integers(0, 600), max_size=5))
def test_it_equals_the_reference_whatever_the_chunks(runs: list[tuple[float, int]], cuts: list[int]) -> None:
    probabilities = [value for value, count in runs for _ in range(count)]
    expected = [
        (max(0.0, begin * FRAME - speech.LATE_START), end * FRAME - speech.LATE_END)
        for begin, end in reference(probabilities)
    ]
    assert found(probabilities, tuple(cuts)) == [pytest.approx(each, abs=6e-4) for each in expected]


@given(RUNS)
def test_segments_are_in_order_apart_and_long_enough(runs: list[tuple[float, int]]) -> None:
    segments = found([value for value, count in runs for _ in range(count)])
    assert all(begin < end for begin, end in segments)
    for one, other in pairwise(segments):
        assert other.start - one.end >= speech.SHORTEST_PAUSE - 1e-3


def test_a_segment_is_given_as_soon_as_the_pause_is_long_enough() -> None:
    segmenter = Segmenter(FRAME)
    assert segmenter.feed([1.0] * 50) == []
    pause = 0
    while not (segments := segmenter.feed([0.0])):
        pause += 1
    assert pause * FRAME < speech.SHORTEST_PAUSE <= (pause + 1) * FRAME
    assert len(segments) == 1 and segmenter.flush() == []
