import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from audioae.signal.levels import active_rms, from_db, rms, to_db
from audioae.signal.resample import resample


@given(st.floats(-150, 60))
def test_decibels_are_invertible(value: float) -> None:
    assert to_db(from_db(value)) == pytest.approx(value, abs=1e-9)


def test_pauses_do_not_count_as_speech() -> None:
    talk = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    paused = np.concatenate([talk, np.zeros(64000, np.float32)])
    assert active_rms(paused, 16000) == pytest.approx(rms(talk), rel=1e-3)
    assert rms(paused) < 0.5 * rms(talk)


@pytest.mark.parametrize(("before", "after"), [(48000, 16000), (16000, 48000), (44100, 16000)])
def test_resampling_agrees_with_scipy_without_delay(before: int, after: int) -> None:
    time = np.arange(before) / before
    wave = sum(np.sin(2 * np.pi * f * time + f) for f in (100, 440, 3000)).astype(np.float32)
    ours, theirs = resample(wave, before, after), resample_poly(wave, after // 100, before // 100)
    middle = slice(after // 10, -after // 10)
    assert len(ours) == after
    assert np.abs(ours - theirs)[middle].max() < 1e-2
