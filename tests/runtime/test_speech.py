"""Segments of speech in constructed recordings, for any rate, chunks and channels."""

import copy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import InputError
from audioae.runtime.speech import speech_segments
from audioae.signal.activity import SpeechActivity
from audioae.signal.finder import SpeechFinder
from audioae.signal.resample import resample

Wave = NDArray[np.float32]
Spoken = tuple[Wave, list[tuple[float, float]]]
RATE = 16_000
STARTS = (1.0, 5.0, 9.0)
NAMES = ("s2i-911", "s2i-644", "s2i-835")


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    """Three clean sentences in room noise at -75 dBFS, and where they begin and end: from their first to their last 10 ms
    within 25 dB of their level, at most 0.2 s apart."""
    folder = Path(__file__).parent.parent.parent / "samples/train/clean"
    wave = np.random.default_rng(0).normal(0, 10 ** (-75 / 20), 13 * RATE).astype(np.float32)
    spans: list[tuple[float, float]] = []
    for start, name in zip(STARTS, NAMES, strict=True):
        sentence, rate = soundfile.read(next(folder.glob(f"{name}*")), dtype="float32")
        assert rate == RATE
        frames = np.square(sentence[: len(sentence) // 160 * 160].reshape(-1, 160)).mean(1)
        loud = np.flatnonzero(frames > frames[frames > frames.max() * 10**-3.5].mean() * 10**-2.5)
        sentence = sentence[160 * (loud[0] - 30) : 160 * (loud[-1] + 30)]
        wave[int(start * RATE) :][: len(sentence)] += sentence
        loud = loud - loud[0] + 30
        for part in np.split(loud, np.flatnonzero(np.diff(loud) > 20) + 1):
            spans.append((start + part[0] / 100, start + (part[-1] + 1) / 100))
    return wave, spans


def fed(streamer: audioae.Streamer, wave: Wave, size: int) -> tuple[Wave, Wave]:
    """The results of a streamer for a wave in chunks, and the probabilities of speech if it finds speech."""
    parts, values = [], []
    for at in range(0, len(wave), size):
        parts.append(streamer.feed(wave[at : at + size]))
        values.append(_values(streamer))
    parts.append(np.asarray(streamer.flush(), np.float32))
    return np.concatenate(parts), np.concatenate([*values, _values(streamer)])


def _values(streamer: audioae.Streamer) -> Wave:
    try:
        return streamer.speech
    except InputError:
        return np.zeros(0, np.float32)


@pytest.mark.parametrize("model", ["conv_dae_offline", "conv_dae"])
def test_clean_sentences_are_found_within_50_ms(spoken: Spoken, model: str) -> None:
    wave, spans = spoken
    found = audioae.speech_segments(wave, RATE, model)
    assert found == [pytest.approx(each, abs=0.05) for each in spans]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_they_are_found_at_any_rate(spoken: Spoken, denoiser: Denoiser, rate: int) -> None:
    wave, spans = spoken
    found = speech_segments(resample(wave, RATE, rate), rate, denoiser)
    assert found == [pytest.approx(each, abs=0.06) for each in spans]


@pytest.mark.parametrize("frames", [1, 10, 63])
def test_later_speech_has_later_segments(spoken: Spoken, denoiser: Denoiser, frames: int) -> None:
    shift = frames * 256
    wave = spoken[0]
    late = np.concatenate([wave[:shift], wave])
    expected = [(start + shift / RATE, end + shift / RATE) for start, end in speech_segments(wave, RATE, denoiser)]
    assert speech_segments(late, RATE, denoiser) == [pytest.approx(each, abs=0.033) for each in expected]


@pytest.mark.parametrize("gain", [0.1, 0.3, 2.0])
def test_the_level_of_a_recording_matters_little(spoken: Spoken, denoiser: Denoiser, gain: float) -> None:
    wave, _ = spoken
    expected = speech_segments(wave, RATE, denoiser)
    assert speech_segments(gain * wave, RATE, denoiser) == [pytest.approx(each, abs=0.05) for each in expected]


def test_speech_counts_in_any_channel(spoken: Spoken, denoiser: Denoiser) -> None:
    wave, spans = spoken
    first, second = wave.copy(), wave.copy()
    first[8 * RATE :], second[: 8 * RATE] = 1e-4, 1e-4
    found = speech_segments(np.stack([first, second], axis=1), RATE, denoiser)
    assert found == [pytest.approx(each, abs=0.05) for each in spans]


@pytest.mark.parametrize("level", [0.0, 1e-5, 0.1])
def test_silence_and_noise_hold_no_speech(denoiser: Denoiser, level: float) -> None:
    wave = level * np.random.default_rng(1).normal(size=(20 * RATE, 2)).astype(np.float32)
    assert speech_segments(wave, RATE, denoiser) == []


def test_arrays_of_every_kind_give_the_same(spoken: Spoken, denoiser: Denoiser) -> None:
    wave, _ = spoken
    expected = speech_segments(wave, RATE, denoiser)
    for other in (torch.from_numpy(wave), torch.from_numpy(wave)[None, None], wave.astype(np.float64), wave[:, None]):
        assert speech_segments(other, RATE, denoiser) == expected
    whole = np.rint(32768 * wave).astype(np.int16)
    assert speech_segments(whole, RATE, denoiser) == [pytest.approx(each, abs=0.05) for each in expected]
    assert speech_segments(wave[:0], RATE, denoiser) == []
    with pytest.raises(InputError, match="one at a time"):
        speech_segments(torch.zeros(2, 1, 100), RATE, denoiser)


def test_the_finder_takes_blocks_of_any_length(spoken: Spoken, denoiser: Denoiser) -> None:
    noisy = spoken[0][:, None]
    clean = audioae.denoise(noisy, RATE, denoiser)
    results = []
    for cuts in ([0, len(noisy)], [0, 1, 2, 1000, 50_001, len(noisy)]):
        finder = SpeechFinder(RATE)
        for a, b in pairwise(cuts):
            finder.feed(noisy[a:b], clean[a:b])
        results.append(finder.finish())
    assert results[0] == results[1] == speech_segments(noisy, RATE, denoiser)


def test_no_segment_ends_after_the_recording(spoken: Spoken, denoiser: Denoiser) -> None:
    wave = spoken[0][: int(2.53 * RATE) + 7]
    assert speech_segments(wave, RATE, denoiser)[-1].end <= round(len(wave) / RATE, 3)


@pytest.mark.parametrize("model", ["conv_dae_offline", "conv_dae", "conv_dae_large", "denoising_1d"])
@pytest.mark.parametrize("size", [1, 480, 20_000])
def test_a_stream_gives_the_probability_of_what_it_returns(spoken: Spoken, model: str, size: int) -> None:
    wave = spoken[0][14_000:16_001] if size == 1 else spoken[0][:80_000]
    loaded = audioae.load(model)
    streamer = audioae.Streamer(loaded, RATE, speech=True)
    clean, values = fed(streamer, wave, size)
    activity = SpeechActivity(RATE)
    whole = [activity.feed(wave[None, None], clean[None, None])[0], activity.flush()[0]]
    assert len(values) == -(-len(wave) // streamer.speech_frame)
    assert np.allclose(values, np.concatenate(whole), atol=1e-4)
    assert np.allclose(clean, fed(audioae.Streamer(loaded, RATE), wave, size)[0], atol=1e-6)


def test_probabilities_are_returned_with_their_samples(spoken: Spoken, denoiser: Denoiser) -> None:
    streamer = audioae.Streamer(denoiser, RATE, speech=True)
    samples = frames = 0
    for chunk in np.split(spoken[0], range(0, len(spoken[0]), 700)):
        samples += len(streamer.feed(chunk))
        frames += len(streamer.speech)
        assert frames == samples // streamer.speech_frame
    samples += len(streamer.flush())
    assert samples == len(spoken[0]) and frames + len(streamer.speech) == -(-samples // streamer.speech_frame)
    assert len(streamer.flush()) == len(streamer.speech) == 0


def test_the_strength_and_its_changes_do_not_matter(spoken: Spoken, denoiser: Denoiser) -> None:
    wave = spoken[0][:60_000]
    expected = fed(audioae.Streamer(denoiser, RATE, speech=True), wave, 4000)[1]
    for strength in ({"mix": 0.0}, {"atten_limit": 6.0}):
        assert np.allclose(
            fed(audioae.Streamer(denoiser, RATE, speech=True, **strength), wave, 4000)[1], expected, atol=1e-4
        )
    streamer, plain = (audioae.Streamer(denoiser, RATE, speech=speech) for speech in (True, False))
    values = []
    for number, chunk in enumerate(np.split(wave, 15)):
        streamer.strength = plain.strength = audioae.Strength(mix=number % 2)
        assert np.allclose(streamer.feed(chunk), plain.feed(chunk), atol=1e-6)
        values.append(streamer.speech)
    assert np.allclose(streamer.flush(), plain.flush(), atol=1e-6)
    assert np.allclose(np.concatenate([*values, streamer.speech]), expected, atol=1e-4)


def test_several_streams_at_a_time_and_copies(spoken: Spoken, denoiser: Denoiser) -> None:
    waves = np.stack([spoken[0][:40_000], spoken[0][40_000:80_000]])
    alone = [fed(audioae.Streamer(denoiser, RATE, speech=True), wave, 10_000)[1] for wave in waves]
    streamer = audioae.Streamer(denoiser, RATE, speech=True)
    values = []
    for part in torch.from_numpy(waves)[:, None].split(10_000, dim=-1):
        streamer.feed(part)
        values.append(streamer.speech)
        streamer = copy.deepcopy(streamer)
    streamer.flush()
    assert np.allclose(np.concatenate([*values, streamer.speech], axis=1), alone, atol=1e-4)
    assert streamer.clone().speech.shape == (0,)


def test_a_streamer_without_speech_explains_how_to_get_it(denoiser: Denoiser) -> None:
    streamer = audioae.Streamer(denoiser, RATE)
    for read in (lambda: streamer.speech, lambda: streamer.speech_frame):
        with pytest.raises(InputError, match="speech=True"):
            read()


def test_cleaning_alone_does_not_load_the_speech_detector() -> None:
    code = (
        "import sys, numpy, audioae; audioae.denoise(numpy.zeros(16000), 16000, 'conv1d_dae'); import audioae.runtime.files;"
        "sys.exit('audioae.signal.activity' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
