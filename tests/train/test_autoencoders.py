"""Autoencoders in the trainer: every kind trains, stages train one part at a time, resumed runs equal uninterrupted ones."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import audioae
from audioae.autoencoders.autoencoder import Autoencoder
from audioae.autoencoders.models.autoencoder import Model
from audioae.autoencoders.task import Task
from audioae.recipe import Recipe, recipe_of
from audioae.settings.config import parse
from audioae.train.trainer import train
from audioae.train.watcher import Watcher

TEXT = """
model: {kind: autoencoder, code: 6, bands: 16, widths: [4, 8], strides: [2, 2], kernel: 3, frames: 8}
data: {seconds: 1.0, batch_size: 2, other_share: 0, memory_mb: 200}
losses: {reconstruction_mse: 1}
train: {steps: 4, warmup: 0, workers: 0, checkpoint_every: 2, validate_every: 100}
valid: {at_most: 2, measures: [reconstruction_error, explained_variance], best: reconstruction_error}
"""
KINDS = {
    "undercomplete_1d": ["model.backbone=1d", "losses.reconstruction_l1=1"],
    "sparse_kl": ["model.activation=sigmoid", "losses.kl_sparsity=0.001"],
    "sparse_l1": ["model.activation=relu", "losses.l1_sparsity=0.001"],
    "contractive": ["model.activation=sigmoid", "losses.contractive=0.01"],
    "denoising": ["corruption.noise=true", "corruption.masking=0.2", "corruption.gaussian=0.1"],
    "variational": ["model.variational=true", "losses.kl_prior=0.001"],
    "stacked_sparse_denoising": [
        "train.stages=[1,1,1]", "model.activation=sigmoid", "losses.kl_sparsity=0.001", "corruption.masking=0.2",
    ],
}  # fmt: skip
pytestmark = pytest.mark.usefixtures("root")


def recipe(*overrides: str) -> Recipe:
    return parse(Recipe, TEXT, "test", overrides)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_autoencoder_trains_resumes_and_encodes(
    kind: str, tmp_path: Path, impatient: Callable[[int], Watcher]
) -> None:
    made = recipe(*KINDS[kind])
    train(made, tmp_path / "whole", device="cpu")
    assert train(made, tmp_path / "parts", device="cpu", watcher=impatient(2)).interrupted
    train(made, tmp_path / "parts", resume=True, device="cpu")
    whole, parts = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for name in whole:
        assert torch.equal(whole[name], parts[name]), name
    rows = [json.loads(line) for line in (tmp_path / "whole/log.jsonl").read_text().splitlines()]
    assert "reconstruction_error" in rows[-1]["valid"]
    denoiser = audioae.load(tmp_path / "whole/best.safetensors")
    assert recipe_of(denoiser) == made
    assert audioae.encode(torch.randn(8000) * 0.1, 16000, denoiser).values.shape[2] == 6
    assert denoiser.network.features.deviation.std() > 0  # standardised by the training data


def test_initial_weights_are_kept(tmp_path: Path) -> None:
    first = train(recipe("train.steps=1"), tmp_path / "first", device="cpu").model_file
    still = ["train.steps=1", "train.learning_rate=1.0e-12", "train.weight_decay=0", "seed=5", f"train.init={first}"]
    second = train(recipe(*still), tmp_path / "second", device="cpu").model_file
    before, after = load_file(first), load_file(second)
    for name in before:
        if not name.endswith("activity"):
            assert torch.allclose(before[name], after[name], atol=1e-6), name


def test_any_seed_and_any_rate_will_do(tmp_path: Path) -> None:
    made = recipe("train.steps=1", f"seed={2**63 - 1}", "data.other_share=1", "data.other_rates=[8000,48000]")
    assert train(made, tmp_path / "run", device="cpu").progress.step == 1


def test_training_learns_more_than_the_mean(tmp_path: Path) -> None:
    made = recipe("train.steps=150", "train.learning_rate=0.003", "train.ema=0.9", "data.batch_size=4")
    figures = train(made, tmp_path / "run", device="cpu").figures
    assert figures["explained_variance"] > 0.4


def test_stages_train_one_part_after_the_other() -> None:
    made = recipe("train.stages=[2,3,4]")
    denoiser = Autoencoder(made.model)
    player = Task(denoiser, made, 0, audioae.load)
    model = denoiser.network
    assert isinstance(model, Model)

    def trained(step: int) -> set[str]:
        player.stage(step)
        return {name.rpartition(".")[0] for name, value in model.named_parameters() if value.requires_grad}

    def level(number: int) -> set[str]:
        return {f"stack.levels.{number}.{part}" for part in ("down", "up")}

    code = {"to_code", "from_code", "linear_to_code", "linear_from_code"}
    assert trained(0) == trained(1) == level(0)
    assert player.depth == 1
    assert trained(2) == trained(4) == level(1)
    assert trained(5) == trained(8) == code
    assert player.depth is None
    assert trained(9) == code | level(0) | level(1)


def test_corruption_applies_to_the_input_only() -> None:
    clean = torch.randn(2, 1, 16000) * 0.1
    noisy = clean + torch.randn(2, 1, 16000) * 0.1
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for name, options in {"none": [], "noise": ["corruption.noise=true"], "masking": ["corruption.masking=0.3"]}.items():
        made = recipe(*options)
        player = Task(Autoencoder(made.model), made, 0, audioae.load)
        before = player.network.autoencode

        def spy(given: torch.Tensor, wanted: torch.Tensor, depth: int | None = None) -> object:
            seen[name] = given, wanted  # noqa: B023 - called within the loop
            return before(given, wanted, depth)  # noqa: B023

        player.network.autoencode = spy  # type: ignore[method-assign, assignment]
        player(noisy, clean, 16000, 0)
    assert torch.equal(*seen["none"])
    assert torch.equal(seen["masking"][1], seen["none"][1])
    assert 0.25 < float((seen["masking"][0] == 0).float().mean()) < 0.35
    given, wanted = seen["noise"]
    assert (given - wanted).mean() > 0.05  # noise fills the pauses, at the level of the mixture


def test_posterior_collapse_is_reported(tmp_path: Path) -> None:
    fine = recipe("model.variational=true", "losses.kl_prior=0.001")
    train(fine, tmp_path / "fine", device="cpu")
    assert "alarm" not in (tmp_path / "fine/log.jsonl").read_text()
    crushed = recipe("model.variational=true", "model.shortcut=false", "losses.kl_prior=1", "train.steps=150",
                     "train.learning_rate=0.01", "train.ema=0.5")  # fmt: skip
    train(crushed, tmp_path / "crushed", device="cpu")
    rows = [json.loads(line) for line in (tmp_path / "crushed/log.jsonl").read_text().splitlines()]
    assert "posterior collapse" in rows[-1]["alarm"]
