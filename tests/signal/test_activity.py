"""Features and probability of speech: laws for any weights, and results of the fitted ones."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audioae.signal.activity import SpeechActivity

Wave = NDArray[np.float32]
SAMPLES = Path(__file__).parent.parent.parent / "samples"


def probabilities(noisy: Wave, clean: Wave, rate: int, cuts: tuple[int, ...] = ()) -> Wave:
    """Probabilities of recordings ``(C, N)``, fed in parts."""
    activity = SpeechActivity(rate)
    edges = [0, *sorted(min(cut, noisy.shape[-1]) for cut in cuts), noisy.shape[-1]]
    parts = [activity.feed(noisy[None, :, a:b], clean[None, :, a:b]) for a, b in pairwise(edges)]
    made = np.concatenate([part[0] for part in [*parts, activity.flush()]])
    assert len(made) == -(-noisy.shape[-1] // activity.frame)
    return made


def pair(name: str) -> tuple[Wave, Wave, int]:
    """The noisy and the clean side of a sample, as a perfect denoiser would give it."""
    noisy, rate = soundfile.read(SAMPLES / "noisy" / f"{name}.flac", dtype="float32", always_2d=True)
    clean, _ = soundfile.read(SAMPLES / "clean" / f"{name}.flac", dtype="float32", always_2d=True)
    return noisy.T.copy(), clean.T.copy(), rate


@settings(max_examples=10)
@given(st.lists(st.integers(0, 160_000), max_size=6), st.sampled_from(["16k-fire", "44k-stereo-rain", "8k-fire"]))
def test_chunks_of_any_length_give_what_the_whole_gives(cuts: list[int], name: str) -> None:
    noisy, clean, rate = pair(name)
    whole = probabilities(noisy, clean, rate)
    assert np.allclose(probabilities(noisy, clean, rate, tuple(cuts)), whole, atol=1e-5)


def test_one_sample_at_a_time_does_too() -> None:
    noisy, clean, rate = pair("16k-fire")
    noisy, clean = noisy[:, 16000:18000], clean[:, 16000:18000]
    each = probabilities(noisy, clean, rate, tuple(range(2000)))
    assert np.allclose(each, probabilities(noisy, clean, rate), atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 11025, 15999, 16000, 22050, 44100, 48000, 192000])
def test_frames_have_whole_samples_and_16_ms_at_every_rate(rate: int) -> None:
    frame = SpeechActivity(rate).frame
    assert frame / rate == pytest.approx(0.016, rel=0.01)
    silence = np.zeros((1, rate // 3), np.float32)
    assert probabilities(silence, silence, rate).max() < 0.2


def test_it_depends_on_nothing_that_comes_later() -> None:
    noisy, clean, rate = pair("16k-rain")
    half = noisy.shape[-1] // 2
    frame = SpeechActivity(rate).frame
    first = probabilities(noisy[:, :half], clean[:, :half], rate)[: half // frame]
    assert np.allclose(probabilities(noisy, clean, rate)[: len(first)], first, atol=1e-5)


def test_recordings_of_a_batch_are_independent_and_speech_in_any_channel_counts() -> None:
    noisy, clean, rate = pair("16k-fire")
    silence = np.zeros_like(noisy)
    activity = SpeechActivity(rate)
    both = activity.feed(np.stack([noisy, silence]), np.stack([clean, silence]))
    alone = probabilities(noisy, clean, rate)[: both.shape[-1]]
    assert np.allclose(both[0], alone, atol=1e-5) and both[1].max() < 0.2
    for order in ([0, 1], [1, 0]):
        sides: Any = [np.concatenate([side, silence])[order] for side in (noisy, clean)]
        assert np.allclose(probabilities(*sides, rate)[: len(alone)], alone, atol=0.05)


@pytest.mark.parametrize("gain", [0.1, 0.3, 3.0])
def test_the_level_of_a_recording_matters_little(gain: float) -> None:
    noisy, clean, rate = pair("16k-waves")
    one, other = (probabilities(g * noisy, g * clean, rate) for g in (np.float32(1), np.float32(gain)))
    assert np.abs(one - other).mean() < 0.05


def test_removed_sound_is_not_speech() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (1, 80_000)).astype(np.float32)
    assert probabilities(noise, 0.001 * noise, 16_000).max() < 0.5


ONLY_ONE = """
import resource, time
import numpy as np
from audioae.signal.activity import SpeechActivity

def process():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

activity = SpeechActivity(48000)
noise = np.random.default_rng(0).normal(0, 0.1, (1, 2, 48000 * 20)).astype(np.float32)
activity.feed(noise, noise)
all_before, own_before = process(), time.thread_time()
activity.feed(noise, noise)
own = time.thread_time() - own_before
print(process() - all_before - own, own)
"""


def test_it_takes_one_thread_where_it_is_a_library() -> None:
    """Without the command line, nothing limits the threads of BLAS, which would take as much time again."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", ONLY_ONE], env=environment, capture_output=True, text=True, check=True)
    others, own = map(float, done.stdout.split())
    assert others < 0.3 * own + 0.005
