"""Denoisers on a transform of another window than 32 ms."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audioae.bundle import info, save_bundle
from audioae.config import parse
from audioae.denoiser import Denoiser
from audioae.errors import RecipeError
from audioae.infer.streamer import Streamer
from audioae.recipe import Recipe

KINDS = ("conv_dae", "conv1d_dae", "crn_dae")


def untrained(kind: str, window: float) -> Denoiser:
    torch.manual_seed(0)
    made = Denoiser(
        parse(
            Recipe,
            f"model: {{kind: {kind}, dilations: [1, 2, 4, 1, 2, 4, 1, 1, 1, 1], window: {window}}}\nlosses: {{si_sdr: 1}}",
            "recipe",
        )
    ).eval()
    for weights in made.parameters():
        torch.nn.init.normal_(weights, std=0.1)  # untrained ones would let all pass
    return made


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=6000).astype(np.float32) * 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_window_is_that_of_a_higher_rate(noise: np.ndarray, kind: str) -> None:
    assert np.array_equal(untrained(kind, 0.04)(noise, 16_000), untrained(kind, 0.032)(noise, 20_000))


@pytest.mark.parametrize(("window", "rate"), [(0.016, 8_000), (0.04, 44_100), (0.0333, 192_000)])
def test_chunks_are_the_whole_at_any_window(noise: np.ndarray, window: float, rate: int) -> None:
    denoiser = untrained("conv_dae", window)
    streamer = Streamer(denoiser, rate)
    parts = [streamer.feed(part) for part in np.split(noise, [1, 700, 701, 4000])] + [streamer.flush()]
    assert np.abs(np.concatenate(parts) - denoiser(noise, rate)).max() < 1e-5
    assert streamer.latency_samples == 2 * round(window / 2 * rate) - 1


def test_the_latency_is_that_of_the_window(tmp_path: Path) -> None:
    save_bundle(tmp_path / "long.safetensors", untrained("conv_dae", 0.04))
    assert info(tmp_path / "long.safetensors").latency == pytest.approx(0.04)


def test_members_of_an_ensemble_have_one_window() -> None:
    text = "model: {kind: ensemble_dae, members: [{window: 0.04}, {}]}\nlosses: {si_sdr: 1}"
    with pytest.raises(RecipeError, match=r"windows of 0\.032 and 0\.04 s cannot be averaged"):
        parse(Recipe, text, "recipe")
