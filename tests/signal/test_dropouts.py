"""Exact repetitions are found at every place and lag, and nothing else is taken for one."""

import numpy as np
import pytest

from audioae.signal.dropouts import LONGEST_REPEAT_SECONDS, SHORTEST_REPEAT_SECONDS, repetitions


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("level", [3, 1000])
def test_repetitions_are_found_to_the_sample(rate: int, level: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        wave = (rng.integers(-level, level + 1, rate) / 32768).astype(np.float32)
        length = int(rng.integers(round(SHORTEST_REPEAT_SECONDS * rate), round(LONGEST_REPEAT_SECONDS * rate)))
        start = int(rng.integers(length + 1, rate - length - 1))
        wave[start : start + length] = wave[start - length : start]
        # Neighbours differ, so that the repetition is no longer by chance.
        wave[start - 1], wave[start + length] = wave[start - 1 - length] + 1 / 32768, wave[start] + 1 / 32768
        wave[start + length - 1] = wave[start - 1]
        assert repetitions(wave, rate) == [(start, start + length)]


def test_silence_and_constants_are_no_repetitions() -> None:
    wave = np.zeros(64_000, np.float32)
    wave[20_000:30_000] = 0.25
    wave[40_000:] = np.random.default_rng(0).integers(-1000, 1001, 24_000) / 32768
    assert not repetitions(wave, 16_000)


def test_a_packet_repeated_twice_is_found_as_a_whole() -> None:
    wave = (np.random.default_rng(0).integers(-1000, 1001, 16_000) / 32768).astype(np.float32)
    wave[8_000:8_640] = np.tile(wave[7_680:8_000], 2)
    assert repetitions(wave, 16_000) == [(8_000, 8_640)]
