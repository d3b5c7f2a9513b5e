"""Denoisers with a window other than 32 ms, or with frames that overlap by more than half."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from audioae.denoisers.denoiser import Denoiser
from audioae.errors import InputError, RecipeError
from audioae.modelfile import info, save_model
from audioae.recipe import Recipe
from audioae.runtime.loading import load
from audioae.runtime.onnx_export import export
from audioae.runtime.streamer import Streamer
from audioae.settings.config import parse
from audioae.settings.registry import find, kinds

KINDS = [kind for kind in kinds("denoisers.models") if "window" in find(kind, "denoisers.models").Config.model_fields]


def untrained(
    kind: str,
    window: float,
    hop: float | None = None,
    dilations: str = "[1, 2, 4, 1, 2, 4, 1, 1, 1, 1]",
    bands: str = "hz",
    more: str = "",
) -> Denoiser:
    torch.manual_seed(0)
    sizes = f"dilations: {dilations}, window: {window}, hop: {'null' if hop is None else hop}, bands: {bands}{more}"
    made = Denoiser(parse(Recipe, f"model: {{kind: {kind}, {sizes}}}\nlosses: {{si_sdr: 1}}", "recipe").model).eval()
    for weights in made.parameters():
        torch.nn.init.normal_(weights, std=0.1)  # untrained networks are the identity
    return made


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=6000).astype(np.float32) * 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_with_bands_by_bins_a_longer_window_is_that_of_a_higher_rate(noise: np.ndarray, kind: str) -> None:
    long, short = (untrained(kind, window, bands="bins") for window in (0.04, 0.032))
    assert np.array_equal(long(noise, 16_000), short(noise, 20_000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [0.032, 0.048, 0.064])
def test_every_frequency_has_a_gain_of_its_own(kind: str, window: float) -> None:
    denoiser, rate = untrained(kind, window), 48_000
    stft = denoiser.transform(rate)
    spec = torch.full((1, 1, stft.bins, 4), 1e-3, dtype=torch.complex64)
    model = denoiser.network

    def features(spectrum: torch.Tensor) -> torch.Tensor:
        parts = torch.view_as_real(spectrum).permute(0, 1, 3, 4, 2)[:, 0]
        return model.features(parts.contiguous(), model.features.past(parts))[0]

    gains = torch.eye(model.layout.count(stft.bins)) @ model.layout.weights(stft.bins).T
    for hz in range(200, 24_000, 500):
        place = round(hz * window)
        louder = spec.clone()
        louder[:, :, place] *= 30
        moved = (features(louder) - features(spec)).abs()[0, -1].sum(-1)  # (K,)
        # The band with the largest response is one that gives this bin its gain, and is no wider than 1.5 kHz.
        band = int(moved.argmax())
        assert gains[band, place] > 0
        reached = gains[band].nonzero() / window
        assert hz - 1_500 < float(reached.min()) and float(reached.max()) < hz + 1_500


@pytest.mark.parametrize(
    ("window", "hop", "rate", "hops"),
    [
        (0.016, None, 8_000, 2),
        (0.04, None, 44_100, 2),
        (0.0333, None, 192_000, 2),
        (0.048, 0.02, 16_000, 3),
        (0.048, 0.016, 11_025, 3),
        (0.06, 0.02, 44_100, 3),
        (0.1, 0.02, 11_025, 5),
    ],
)
def test_chunks_are_the_whole_at_any_window(
    noise: np.ndarray, window: float, hop: float | None, rate: int, hops: int
) -> None:
    denoiser = untrained("conv_dae", window, hop)
    streamer = Streamer(denoiser, rate)
    parts = [streamer.feed(part) for part in np.split(noise, [1, 700, 701, 4000])] + [streamer.flush()]
    assert np.abs(np.concatenate(parts) - denoiser(noise, rate)).max() < 1e-5
    assert streamer.latency_samples == hops * round((hop or window / 2) * rate) - 1


def test_output_does_not_depend_on_samples_after_the_latency(noise: np.ndarray) -> None:
    denoiser, rate, at = untrained("conv_dae", 0.048, 0.02), 16_000, 4000
    other = noise.copy()
    other[at:] = 0
    first = np.flatnonzero(denoiser(noise, rate) != denoiser(other, rate))[0]
    assert at - denoiser.delay(rate) - denoiser.hop(rate) < first <= at


def test_the_latency_is_that_of_the_window(tmp_path: Path) -> None:
    for window, hop, latency in ((0.04, None, 0.04), (0.048, 0.02, 0.06), (0.06, 0.02, 0.06), (0.064, 0.016, 0.064)):
        save_model(tmp_path / "long.safetensors", untrained("conv_dae", window, hop))
        assert info(tmp_path / "long.safetensors").latency == pytest.approx(latency)


RELATIONS = [
    *((0.016, times * 0.016) for times in (2, 2.01, 2.5, 2.99, 3, 3.01, 3.5, 4, 4.5, 5, 6, 7, 7.9, 8)),
    *((0.02, 0.06), (0.01, 0.03), (0.0333, 0.0999), (0.012, 0.036), (0.004, 0.032), (0.005, 0.0151)),
]


@pytest.mark.parametrize("rate", [8_000, 11_025, 11_094, 16_000, 22_050, 44_100, 48_000, 192_000])
def test_the_latency_is_that_at_which_a_pulse_comes_out(rate: int) -> None:
    """Delay of a model with a mask of one, hop by hop: at most that of the window, and as the settings state."""
    for hop_seconds, window in RELATIONS:
        recipe = parse(Recipe, "model: {kind: conv1d_dae, channels: 4, dilations: [1]}\nlosses: {l1: 1}", "recipe")
        settings = recipe.model.model_copy(update={"hop": hop_seconds, "window": window, "offset_window": 0})
        denoiser = Denoiser(settings).eval()
        hop, stft = denoiser.hop(rate), denoiser.transform(rate)
        assert abs(stft.n_fft - window * rate) <= 2 + window / hop_seconds
        at = 5 * hop  # the first sample of a hop, which waits the longest
        wave = torch.zeros(1, 1, 20 * hop)
        wave[..., at] = 0.5
        state, parts = denoiser.initial_state(1, 1, rate), []
        with torch.inference_mode():
            for part in wave.split(hop, dim=-1):
                made, state = denoiser.step(part, state, rate)
                parts.append(made)
        joined = torch.cat(parts, -1)[0, 0]
        first = int((joined.abs() > 1e-3).nonzero()[0])
        assert first - at == denoiser.delay(rate) == stft.late * hop
        # A sample is complete after the last frame that contains it; the number of these frames is equal at every rate.
        assert stft.late == math.ceil(round(window / hop_seconds, 4)) - 1
        streamer = Streamer(denoiser, rate)
        assert streamer.latency_samples == first - at + hop - 1
        assert settings.latency == pytest.approx((stft.late + 1) * hop_seconds)


def test_an_exported_file_has_the_same_frames(noise: np.ndarray, tmp_path: Path) -> None:
    denoiser = untrained("conv_dae", 0.048, 0.02, "[1, 2, 4]", more=", across_after: [2], across_hidden: 8")
    export(denoiser, tmp_path / "m.onnx", 16_000)
    assert np.abs(load(tmp_path / "m.onnx")(noise, 16_000) - denoiser(noise, 16_000)).max() < 1e-5
    with pytest.raises(InputError, match="is for 16000 Hz"):
        load(tmp_path / "m.onnx")(noise, 8_000)


@pytest.mark.parametrize("hop", [0.025, 0.005])
def test_hops_longer_than_half_the_window_are_rejected(hop: float) -> None:
    with pytest.raises(RecipeError, match=r"an eighth to a half of the window of 0\.048 s"):
        untrained("conv_dae", 0.048, hop)
