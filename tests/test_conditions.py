"""The denoisers of the package under single conditions, which means over recordings hide.

The measures are those of ``tests/benchmarks/conditions.py``; the noise is synthetic, so that no model was trained on it.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, hilbert, sosfilt

import audioae
from audioae.denoisers.denoiser import Denoiser

MODELS = ("conv_dae_offline", "conv_dae")
FIRST_WORD = -3
"""Least level in dB of the first 100 ms of speech at 5 dB SNR without lead-in."""
LEAST_FALL = {"conv_dae_offline": (7, 14), "conv_dae": (7, 8)}
"""dB by which stationary noise of the band up to 2 kHz, and of any band above, falls beside speech; 15 is the aim."""
CLEAN = {"conv_dae_offline": 30, "conv_dae": 25}
"""SI-SDR of clean speech after cleaning in dB."""
RECORDINGS = ("16k-rooster", "48k-waves")


@pytest.fixture(scope="module")
def measures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conditions", Path(__file__).parent / "benchmarks" / "conditions.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Denoiser:
    return audioae.load(request.param)


@pytest.fixture(scope="module", params=RECORDINGS)
def speech(request: pytest.FixtureRequest) -> tuple[np.ndarray, int]:
    folder = Path(__file__).parents[1] / "samples" / "clean"
    wave, rate = soundfile.read(folder / f"{request.param}.flac", always_2d=True)
    return wave[: 5 * rate, 0], rate


def hiss(samples: int, rate: int) -> np.ndarray:
    white = np.random.default_rng(3).standard_normal(samples)
    return np.asarray(sosfilt(butter(1, 500, fs=rate, output="sos"), white))


@pytest.mark.parametrize("steep", [False, True])
def test_telephone_speech_hardly_changes(
    measures: ModuleType, model: Denoiser, speech: tuple[np.ndarray, int], steep: bool
) -> None:
    wave, rate = speech
    white = np.random.default_rng(4).standard_normal(len(wave))
    narrow, noise = (measures.telephone(each, rate, steep) for each in (wave, white))
    result = model(measures.mixed(narrow, noise, 40), rate)
    assert measures.si_sdr(narrow, result) > 20


def test_whispers_keep_their_level(measures: ModuleType, model: Denoiser, speech: tuple[np.ndarray, int]) -> None:
    whisper = measures.whisper(*speech)
    result = model(measures.mixed(whisper, hiss(len(whisper), speech[1]), 20), speech[1])
    assert measures.level(whisper, result) > -3


def test_a_first_word_without_lead_in_is_kept(measures: ModuleType, model: Denoiser, speech: tuple[np.ndarray, int]) -> None:
    wave, rate = measures.from_first_word(*speech), speech[1]
    result, early = model(measures.mixed(wave, hiss(len(wave), rate), 5), rate), rate // 10
    assert measures.level(wave[:early], result[:early]) > FIRST_WORD


@pytest.mark.parametrize("offset", [0.1, -0.3])
def test_a_constant_offset_does_not_lower_the_quality(
    measures: ModuleType, model: Denoiser, speech: tuple[np.ndarray, int], offset: float
) -> None:
    wave, rate = speech
    noisy = measures.mixed(wave, hiss(len(wave), rate), 5)
    plain, moved = model(noisy, rate), model(noisy + offset, rate)
    assert measures.si_sdr(wave, moved) > measures.si_sdr(wave, plain) - 0.5
    assert abs(moved[rate:-rate].mean()) < 0.01 * abs(offset)


@pytest.mark.parametrize("relation", ["opposite", "quarter turn", "later"])
def test_a_second_channel_of_any_phase_does_not_lower_the_quality(
    measures: ModuleType, model: Denoiser, speech: tuple[np.ndarray, int], relation: str
) -> None:
    wave, rate = speech
    noisy = measures.mixed(wave, hiss(len(wave), rate), 5)
    second = {"opposite": -noisy, "quarter turn": np.imag(hilbert(noisy)), "later": np.roll(noisy, rate // 200)}[relation]
    faint = np.random.default_rng(5).standard_normal((len(wave), 2)) * 1e-3 * noisy.std()
    both = model(np.stack([noisy, second], axis=1) + faint, rate)
    assert measures.si_sdr(wave, both[:, 0]) > measures.si_sdr(wave, model(noisy, rate)) - 0.5


def test_noise_falls_in_every_band(measures: ModuleType, model: Denoiser, speech: tuple[np.ndarray, int]) -> None:
    falls = measures.fall_of_bands(model, *speech)
    assert len(falls) == (11 if speech[1] == 48_000 else 4)
    lowest, others = LEAST_FALL[model.name]
    assert falls[0] > lowest
    assert min(falls[1:]) > others


def test_clean_speech_stays_as_it_is(measures: ModuleType, model: Denoiser, speech: tuple[np.ndarray, int]) -> None:
    assert measures.si_sdr(speech[0], model(*speech)) > CLEAN[model.name]
