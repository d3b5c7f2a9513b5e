"""Clipped samples are restored, all others stay, and the result is never below the rail."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from audioae.signal import declip
from audioae.signal.declip import declipped
from audioae.signal.prediction import continued, filled

Wave = NDArray[np.float32]


@pytest.fixture(scope="module")
def speech() -> tuple[Wave, int]:
    wave, rate = soundfile.read(Path(__file__).parents[2] / "samples/clean/16k-rooster.flac", dtype="float32")
    return wave[: 4 * rate], rate


def sdr(estimate: Wave, wave: Wave) -> float:
    return float(10 * np.log10(np.square(wave).sum() / np.square(estimate - wave).sum()))


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_a_spline_as_the_estimate_is_improved(speech: tuple[Wave, int], share: float) -> None:
    wave, rate = speech
    rail = float(np.quantile(np.abs(wave), 1 - share))
    damaged = wave.clip(-rail, rail)
    at = damaged >= rail, damaged <= -rail
    lost = at[0] | at[1]
    places = np.arange(len(wave))
    spline = np.where(lost, CubicSpline(places[~lost], damaged[~lost])(places).clip(-2, 2), damaged).astype(np.float32)
    made = declipped(damaged, spline, *at, (rail, rail), rate)
    assert np.array_equal(made[~lost], damaged[~lost])
    assert (np.abs(made[lost]) >= rail - 1e-6).all() and (np.sign(made[lost]) == np.sign(damaged[lost])).all()
    assert sdr(made, wave) > max(sdr(damaged, wave) + 5, sdr(spline, wave) + 2)


def test_exact_and_approximate_solutions_agree(speech: tuple[Wave, int], monkeypatch: pytest.MonkeyPatch) -> None:
    wave, rate = speech
    rail = float(np.quantile(np.abs(wave), 0.99))
    damaged = wave.clip(-rail, rail)
    at = damaged >= rail, damaged <= -rail
    made = []
    for few in (0, 10_000):
        monkeypatch.setattr(declip, "FEW", few)
        monkeypatch.setattr(declip, "STEPS", 200)
        made.append(declip.declipped(damaged, damaged, *at, (rail, rail), rate))
    assert sdr(made[0], made[1]) > 40
    assert sdr(made[0], wave) > sdr(damaged, wave) + 5


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_frames_have_quick_transforms(rate: int) -> None:
    size = declip.frames_of(rate)
    assert size % 2 == 0 and abs(size / rate - declip.FRAME_SECONDS) < 0.004
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    assert size == 1


def test_a_good_estimate_helps(speech: tuple[Wave, int]) -> None:
    wave, rate = speech
    rail = float(np.quantile(np.abs(wave), 0.8))
    damaged = wave.clip(-rail, rail)
    at = damaged >= rail, damaged <= -rail
    blind, told = (declipped(damaged, each, *at, (rail, rail), rate) for each in (damaged, 0.7 * wave + 0.3 * damaged))
    assert sdr(told, wave) > sdr(blind, wave) + 1


def test_what_is_not_clipped_is_returned_as_it_is(speech: tuple[Wave, int]) -> None:
    wave, rate = speech
    nothing = np.zeros(len(wave), bool)
    assert declipped(wave, wave, nothing, nothing, (np.inf, np.inf), rate) is wave


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_gaps_in_a_vowel_are_filled(rate: int) -> None:
    time = np.arange(rate) / rate
    wave = sum(np.sin(2 * np.pi * 150 * k * time + k) / k for k in range(1, 9)).astype(np.float32) * 0.1
    gap = rate // 2, rate // 2 + rate // 50
    damaged = wave.copy()
    damaged[gap[0] : gap[1]] = 0
    made = filled(damaged, [gap], rate)
    inside = slice(*gap)
    assert np.array_equal(np.delete(made, np.arange(*gap)), np.delete(wave, np.arange(*gap)))
    assert sdr(made[inside], wave[inside]) > 10


def test_gaps_at_the_edges_and_in_silence_stay_finite() -> None:
    wave = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    for gap in ((0, 300), (3700, 4000), (0, 4000)):
        made = filled(wave, [gap], 16_000)
        assert np.isfinite(made).all()
    assert not filled(np.zeros(4000, np.float32), [(1000, 1300)], 16_000).any()
    assert np.isfinite(continued(wave[:2], 50, 16_000)).all() and len(continued(wave[:0], 50, 16_000)) == 50


def test_one_gap_is_not_filled_from_another() -> None:
    wave = np.sin(0.1 * np.arange(8000)).astype(np.float32)
    damaged = wave.copy()
    for gap in ((4000, 4200), (4300, 4500)):
        damaged[gap[0] : gap[1]] = 7.0  # what is in a gap does not matter
    made = filled(damaged, [(4000, 4200), (4300, 4500)], 16_000)
    assert np.abs(made).max() < 2
