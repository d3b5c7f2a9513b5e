from importlib.metadata import version
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from audioae.errors import RecipeError
from audioae.family import is_better
from audioae.measures.perceptual import estoi, pesq, pesq_nb, stoi
from audioae.measures.signal import high_band_level, log_spectral_distance, si_sdr, snr
from audioae.measures.table import LOWER_IS_BETTER, MEASURES, PACKAGES, library, measure
from audioae.recipe import Recipe
from audioae.settings.config import load

GENERATOR = np.random.default_rng(0)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"high_band_level"}))
def test_every_measure_puts_clean_before_a_little_noise_before_much(name: str) -> None:
    clean, rate = soundfile.read("samples/clean/16k-fire.flac", dtype="float32")
    noise = GENERATOR.normal(0, 0.01, len(clean)).astype(np.float32)
    values = [MEASURES[name](clean + level * noise, clean, rate) for level in (0, 0.3, 3)]
    if name in LOWER_IS_BETTER:
        values = [-v for v in values]
    assert values[0] > values[1] > values[2]
    assert is_better(name, *(v * (-1 if name in LOWER_IS_BETTER else 1) for v in values[:2]))


def test_ratios_in_closed_form() -> None:
    time = np.arange(16000) / 16000
    tone, other = np.sin(2 * np.pi * 100 * time), np.cos(2 * np.pi * 100 * time)
    for decibels in (-10, 0, 30):
        mixed = tone + 10 ** (-decibels / 20) * other
        assert si_sdr(mixed, tone, 16000) == pytest.approx(decibels, abs=1e-6)
        assert si_sdr(0.1 * mixed + 3, tone, 16000) == pytest.approx(decibels, abs=1e-6)
        assert snr(mixed, tone, 16000) == pytest.approx(decibels, abs=1e-6)
    assert snr(2 * tone, tone, 16000) == pytest.approx(0, abs=1e-6)


def test_si_sdr_of_silence() -> None:
    noise = GENERATOR.normal(size=16000)
    assert si_sdr(0 * noise, noise, 16000) == -100 and si_sdr(1e-9 * noise, noise, 16000) == pytest.approx(100)
    assert np.isnan(si_sdr(noise, 0 * noise, 16000))
    one = measure(["si_sdr"], noise + np.roll(noise, 1), noise, 16000)
    stereo = [np.stack([each, 0 * each], 1) for each in (noise + np.roll(noise, 1), noise)]  # the voice on one side
    assert measure(["si_sdr"], *stereo, 16000) == one


def test_log_spectral_distance_of_a_gain_is_the_gain() -> None:
    noise = GENERATOR.normal(size=16000)
    assert log_spectral_distance(10 * noise, noise, 16000) == pytest.approx(20, abs=1e-6)


def test_log_spectral_distance_agrees_with_librosa() -> None:
    a, b = GENERATOR.normal(size=(2, 16000))
    spectra = [
        librosa.power_to_db(np.abs(librosa.stft(x, n_fft=512, hop_length=256)) ** 2, amin=1e-20, top_db=None) for x in (a, b)
    ]
    expected = np.sqrt(((spectra[0] - spectra[1]) ** 2).mean(0)).mean()
    assert log_spectral_distance(a, b, 16000) == pytest.approx(expected, rel=0.03)


def test_high_band_level_sees_what_lies_above_8_khz_only() -> None:
    time = np.arange(48000) / 48000
    low, high = np.sin(2 * np.pi * 1000 * time), np.sin(2 * np.pi * 12000 * time)
    assert high_band_level(5 * low + 0.5 * high, low + high, 48000) == pytest.approx(-6.02, abs=0.05)
    assert np.isnan(high_band_level(low, low, 16000))


def test_channels_are_averaged() -> None:
    clean = GENERATOR.normal(size=(8000, 2))
    noisy = clean + np.array([0.1, 0.01]) * GENERATOR.normal(size=(8000, 2))
    each = [si_sdr(noisy[:, c], clean[:, c], 8000) for c in range(2)]
    assert measure(["si_sdr"], noisy, clean, 8000)["si_sdr"] == pytest.approx(np.mean(each))


def test_pesq_is_wideband_or_nothing(samples: Path) -> None:
    narrow, rate = soundfile.read(samples / "clean/8k-fire.flac", dtype="float32")
    assert rate == 8000 and np.isnan(pesq(narrow, narrow, rate))
    assert pesq_nb(narrow, narrow, rate) == pytest.approx(4.549, abs=1e-3)  # the end of the scale of P.862.1
    wide, rate = soundfile.read(samples / "clean/16k-fire.flac", dtype="float32")
    assert pesq(wide, wide, rate) == pytest.approx(4.644, abs=1e-3)  # of P.862.2


def test_undefined_measures_are_nan() -> None:
    short = GENERATOR.normal(0, 0.1, 1600).astype(np.float32)
    for measure_of in (stoi, estoi, pesq, pesq_nb):
        assert np.isnan(measure_of(short, short, 16000)), measure_of


def test_every_figure_names_its_library_and_version() -> None:
    assert set(PACKAGES) <= set(MEASURES)
    assert library("pesq") == f"pesq {version('pesq')}"
    assert library("dnsmos_sig") == f"speechmos {version('speechmos')}, onnxruntime {version('onnxruntime')}"
    assert library("si_sdr") == f"audioae {version('audioae')}"


@pytest.mark.usefixtures("root")
def test_a_misspelt_measure_is_rejected_before_anything_runs() -> None:
    with pytest.raises(RecipeError, match="did you mean 'pesq'"):
        load(Recipe, "recipes/conv_dae.yaml", ["valid.measures=[si_sdr, peqs]"])
    with pytest.raises(RecipeError, match="not among `measures`"):
        load(Recipe, "recipes/conv_dae.yaml", ["valid.best=estoi"])
