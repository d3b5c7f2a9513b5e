"""Levels and clipped samples, for any blocks, against numpy on the whole recording."""

import numpy as np
import pytest

from audioae.runtime.meter import FULL_SCALE, Clipping, Meter


def level(wave: np.ndarray) -> float:
    return 10 * np.log10(np.mean(wave.astype(np.float64) ** 2))


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("channels", [1, 2])
def test_levels_are_those_of_the_whole(size: int, channels: int) -> None:
    draw = np.random.default_rng(0)
    before, after = (scale * draw.normal(size=(1000, channels)).astype(np.float32) for scale in (0.1, 0.02))
    meter = Meter()
    for start in range(0, 1000, size):
        meter.feed(before[start : start + size], after[start : start + size])
    assert meter.levels == pytest.approx([level(before), level(after), level(before - after)], abs=1e-4)


def test_levels_of_silence_and_empty_audio_are_defined() -> None:
    meter = Meter()
    assert meter.levels == (-150, -150, -150)
    meter.feed(np.zeros((10, 1), np.float32), np.zeros((10, 1), np.float32))
    assert meter.levels == (-150, -150, -150)


RUNS = [0, 1, 1, 0, 1, 1, 1, 0, -1, -1, -1, -1, -1, 0, 0, 1, 1, 1, 1]
"""A run too short to count, then runs of 3, 5 and 4."""


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 11, 19])
def test_clipped_samples_do_not_depend_on_the_blocks(size: int) -> None:
    block = np.array([RUNS, np.roll(RUNS, 1) * 0.9], np.float32).T
    clipping = Clipping()
    for start in range(0, len(block), size):
        clipping.feed(block[start : start + size])
    assert clipping.samples == 3 + 5 + 4


def test_a_run_of_clipped_samples_counts_before_it_ends() -> None:
    clipping = Clipping()
    for expected in (0, 0, 3, 4):
        clipping.feed(np.full((1, 1), FULL_SCALE, np.float32))
        assert clipping.samples == expected
    clipping.feed(np.zeros((0, 1), np.float32))
    clipping.feed(np.zeros((5, 1), np.float32))
    assert clipping.samples == 4
