"""The mean of several denoisers with different windows."""

from pathlib import Path

import numpy as np
import pytest
import torch

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import RecipeError
from audioae.modelfile import info, save_model
from audioae.recipe import Recipe
from audioae.runtime.segments import SegmentStreamer
from audioae.runtime.streamer import Streamer
from audioae.settings.config import parse

SIZES = "channels: 8, dilations: [1, 2]"
MEMBERS = (
    f"{{{SIZES}, window: 0.04}}",
    f"{{{SIZES}, window: 0.048, hop: 0.02, look_ahead: [1, 1]}}",
    f"{{{SIZES}, window: 0.07, hop: 0.02, look_ahead: [0, 1]}}",
)
RATES = (16_000, 11_025)


def denoiser_of(model: str) -> Denoiser:
    return Denoiser(parse(Recipe, f"model: {{{model}}}\nlosses: {{si_sdr: 1}}", "recipe").model, "made").eval()


def untrained(*members: str) -> Denoiser:
    torch.manual_seed(0)
    made = denoiser_of(f"kind: ensemble_dae, members: [{', '.join(members)}]")
    for weights in made.parameters():
        torch.nn.init.normal_(weights, std=0.2)  # untrained networks are the identity
    return made


@pytest.fixture
def ensemble() -> Denoiser:
    return untrained(*MEMBERS)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(9000, 2)).astype(np.float32) * 0.1


@pytest.mark.parametrize("rate", RATES)
def test_is_the_mean_of_its_members(ensemble: Denoiser, noise: np.ndarray, rate: int) -> None:
    each = []
    for number, settings in enumerate(MEMBERS):
        alone = denoiser_of(f"kind: conv_dae, {settings[1:-1]}")
        alone.network.load_state_dict(ensemble.network.members[number].state_dict())
        each.append(alone(noise, rate, atten_limit=20))
    assert np.abs(each[0] - each[1]).max() > 0.01 < np.abs(each[1] - each[2]).max()
    assert np.abs(ensemble(noise, rate, atten_limit=20) - np.mean(each, axis=0)).max() < 1e-6


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", ["linked", "independent"])
def test_chunks_are_the_whole(ensemble: Denoiser, noise: np.ndarray, rate: int, channels: str) -> None:
    streamer = Streamer(ensemble, rate, mix=0.9, channels=channels)
    parts = [streamer.feed(part) for part in np.split(noise, [1, 700, 701, 4000])] + [streamer.flush()]
    whole = ensemble(noise, rate, mix=0.9, channels=channels)
    assert np.abs(np.concatenate(parts) - whole).max() < 1e-5 and np.abs(whole - noise).max() > 0.01


def test_segments_equal_the_whole(ensemble: Denoiser) -> None:
    rate = 8000
    wave = torch.randn(1, 1, 40 * rate, generator=torch.Generator().manual_seed(0)) * 0.1
    whole = Streamer(ensemble, rate)
    expected = torch.cat([whole.feed_wave(wave), whole.flush_wave()], -1)
    with SegmentStreamer(Streamer(ensemble, rate), workers=2, seconds=8) as cut:
        made = torch.cat([cut.feed_wave(wave), cut.flush_wave()], -1)
    assert made.shape == wave.shape and (made - expected).abs().max() < 1e-5


def test_a_sample_depends_on_its_receptive_field_only(ensemble: Denoiser) -> None:
    rate, at = 8000, 40_000
    wave = torch.randn(1, 1, 3 * at, generator=torch.Generator().manual_seed(0)) * 0.1
    changed = wave.clone()
    changed[..., at] += 1000  # so loud that its smallest effects exceed rounding
    heard = torch.nonzero((ensemble.clean(wave, rate) - ensemble.clean(changed, rate))[0, 0])[:, 0]
    reach = ensemble.receptive_field_samples(rate)
    assert reach is not None
    assert at - ensemble.delay(rate) - ensemble.hop(rate) <= heard.min() < at < heard.max() <= at + reach
    assert reach - (heard.max() - at) < 0.2 * rate  # and not on much less; the smallest effects are below rounding


def test_onnxruntime_runs_each_member(noise: np.ndarray, tmp_path: Path) -> None:
    ensemble, path = untrained(*MEMBERS[1:]), tmp_path / "made.safetensors"
    save_model(path, ensemble)
    made = audioae.load(path, backend="onnx")(noise, 11_025, atten_limit=30)
    assert np.abs(made - audioae.load(path)(noise, 11_025, atten_limit=30)).max() < 1e-5
    with pytest.raises(audioae.ModelFileError, match="export it with --waves"):
        audioae.export(ensemble, tmp_path / "made.onnx")
    assert not (tmp_path / "made.onnx").exists()


def test_the_latency_is_that_of_the_slowest_member(ensemble: Denoiser, tmp_path: Path) -> None:
    save_model(tmp_path / "made.safetensors", ensemble)
    # Three hops of 20 ms look ahead, or two and one more for the longest window.
    assert info(tmp_path / "made.safetensors").latency == pytest.approx(0.12)
    assert Streamer(ensemble, 16_000).latency_samples == 6 * 320 - 1


def test_all_members_are_trained(ensemble: Denoiser, noise: np.ndarray) -> None:
    ensemble.clean(torch.from_numpy(noise.T.copy())[None], 16_000).square().sum().backward()
    assert all(weights.grad is not None and weights.grad.abs().sum() > 0 for weights in ensemble.parameters())


def test_members_must_have_one_hop() -> None:
    with pytest.raises(RecipeError, match=r"a frame every 0\.016 and 0\.02 s cannot be averaged: give all the same `hop`"):
        denoiser_of("kind: ensemble_dae, members: [{window: 0.04}, {}]")
