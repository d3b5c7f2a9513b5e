"""Generators and critics in the trainer: both learn, runs resume, and failures are reported."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import audioae
from audioae.errors import RecipeError
from audioae.generators.evaluator import alarms
from audioae.generators.generator import Generator
from audioae.generators.measures import GenerationReport
from audioae.generators.task import Task
from audioae.recipe import Recipe
from audioae.settings.config import parse
from audioae.train.trainer import train
from audioae.train.watcher import Watcher

TEXT = """
model: {kind: cgan, widths: [16, 8], critic_widths: [8, 16], latent: 8}
data: {clean: [samples/digits], noise: [], rir: [], rate: 8000, other_share: 0, crop: clip, label: 0, seconds: 1.0,
  batch_size: 6, augment: {clean_only: 1, noise_only: 0, reverb: {share: 0}}}
losses: {hinge: 1, real_gradient: 0.1}
train: {steps: 4, warmup: 0, workers: 0, checkpoint_every: 2, validate_every: 100}
valid: {clean: [samples/digits], at_most: 6, measures: [sliced_wasserstein], best: sliced_wasserstein}
"""
pytestmark = pytest.mark.usefixtures("root")


def recipe(*overrides: str) -> Recipe:
    return parse(Recipe, TEXT, "test", overrides)


def test_a_training_writes_a_generator_and_samples(tmp_path: Path) -> None:
    measures = "valid.measures=[sliced_wasserstein,frechet_of_sounds,inception_score,diversity,class_accuracy]"
    result = train(recipe(measures, "valid.judge=digits"), tmp_path / "run", device="cpu")
    assert set(result.figures) == {
        "sliced_wasserstein",
        "frechet_of_sounds",
        "inception_score",
        "diversity",
        "class_accuracy",
    }
    assert {p.name for p in (tmp_path / "run/samples").iterdir()} >= {"000004.png", "000004-0.wav"}
    # The critic is in the checkpoint, and not in the model file.
    assert any(name.startswith("critic.") for name in load_file(tmp_path / "run/checkpoint.safetensors"))
    assert not any("critic" in name for name in load_file(result.model_file))
    waves, rate = audioae.generate(result.model_file, 2, label="3")
    assert waves.shape == (2, 64 * 128) and rate == 8000


def test_groups_are_found_before_the_first_step_and_are_in_the_model_file(tmp_path: Path) -> None:
    result = train(recipe("model.kind=dcgan", "model.groups=4"), tmp_path / "run", device="cpu")
    model = audioae.load(result.model_file).network
    assert model.groups.centres.abs().sum() > 0 and model.groups.shares.sum() == pytest.approx(1)
    first, again = (audioae.generate(result.model_file, 2, seed=1)[0] for _ in range(2))
    assert (first == again).all()


def test_a_resumed_run_is_the_same_run(tmp_path: Path, impatient: Callable[[int], Watcher]) -> None:
    train(recipe(), tmp_path / "whole", device="cpu")
    assert train(recipe(), tmp_path / "parts", device="cpu", watcher=impatient(2)).interrupted
    train(recipe(), tmp_path / "parts", resume=True, device="cpu")
    for file in ("last.safetensors", "checkpoint.safetensors"):
        whole, parts = (load_file(tmp_path / name / file) for name in ("whole", "parts"))
        for name in whole:
            assert torch.equal(whole[name], parts[name]), name


def task(*overrides: str) -> Task:
    made = recipe(*overrides)
    return Task(Generator(made.model), made, 0, audioae.load)


def test_generator_and_critic_are_trained_in_turn() -> None:
    torch.manual_seed(0)
    player = task("train.critic_steps=2")
    assert player.turns == 3
    wave = 0.1 * torch.randn(6, 1, 8000)
    for turn in range(3):
        player.stage(0, turn)
        player.zero_grad()
        player(wave, wave, 8000, 0, list("012345"), turn)[0].backward()
        learns = {name.split(".")[0] for name, value in player.named_parameters() if value.grad is not None}
        assert learns == ({"model"} if turn == 2 else {"critic"})


def test_a_critic_learns() -> None:
    torch.manual_seed(0)
    player = task()
    optimizer = torch.optim.Adam(player.critic.parameters(), 2e-3)
    tone = torch.sin(torch.arange(8000) * torch.linspace(0.1, 0.3, 6)[:, None])[:, None]
    for step in range(150):
        player.stage(step)
        loss = player(tone, tone, 8000, step, list("012345"))[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == 0:
            first = loss.item()
            assert not player.alarms
    assert loss < 0.5 * first
    assert player.shares.right[0] > 0.9
    player.shares.right[0] = 1.0
    assert "the critic has won" in player.alarms[0]


def test_a_dominating_critic_is_reported_with_its_level() -> None:
    torch.manual_seed(0)
    player = task("model.kind=lapgan", "model.widths=[8, 8, 8]", "model.critic_widths=[8]")
    wave = 0.1 * torch.randn(6, 1, 8000)
    for _ in range(400):
        # The scores of level 1 differ so much that its critic is always right.
        for level in range(3):
            scores = torch.randn(2, 6)
            player.shares.add(level, scores[0] + 100 * (level == 1), scores[1])
    assert len(player.alarms) == 1 and "the critic of level 1 has won" in player.alarms[0]
    player.stage(0, 0)
    before = player.shares.right.clone()
    player(wave, wave, 8000, 0, list("012345"), 0)
    assert (player.shares.right[:3] != before[:3]).all() and (player.shares.right[3:] == 0.5).all()
    player.shares.add(0, torch.full((6,), float("nan")), torch.zeros(6))
    assert torch.isfinite(player.shares.right).all()


def test_silence_and_mode_collapse_are_reported() -> None:
    real = torch.rand(6, 1, 128, 64) * 2 - 1
    assert alarms(GenerationReport(real, real)) == []
    told = " ".join(alarms(GenerationReport(torch.full_like(real, -1.0), real)))
    assert "collapse" in told and "silence" in told


def test_wrong_recipes_are_rejected() -> None:
    for override, told in [
        ("losses={real_gradient: 1}", "holds penalties alone"),
        ("valid.clean=[]", "needs `valid.clean`"),
        ("data.label=null", "needs `data.label`"),
        ("valid={clean: [samples/digits], measures: [inception_score], best: inception_score}", "give `valid.judge`"),
        ("losses={reconstruction_mse: 1}", "losses.reconstruction_mse: not for `model.kind: cgan`"),
        ("corruption.masking=0.5", "corruption: not for"),
    ]:
        with pytest.raises(RecipeError, match=told):
            recipe(override)
