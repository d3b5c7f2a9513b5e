"""What a denoiser learns from a teacher: the target between truth and result, which losses see it, and who may teach."""

from pathlib import Path

import pytest
import torch

import audioae
from audioae import terms
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import BundleError, RecipeError
from audioae.recipe import Recipe
from audioae.settings.config import load
from audioae.train.players import DenoisingPlayer
from audioae.train.teacher import Teacher
from audioae.train.trainer import train

RATE = 16_000


def recipe(*overrides: str) -> Recipe:
    small = ["data.seconds=0.5", "data.memory_mb=200", "valid.at_most=1", "model.channels=8", "model.dilations=[1, 2]"]
    return load(Recipe, "recipes/conv_dae.yaml", [*small, *overrides])


def mixture() -> tuple[torch.Tensor, torch.Tensor]:
    """Three recordings ``(3, 1, N)``, noisy and clean; there is no noise in the second and no speech in the third."""
    draw = torch.Generator().manual_seed(0)
    clean, noise = (0.1 * torch.randn(3, 1, RATE, generator=draw) for _ in range(2))
    noise[1], clean[2] = 0, 0
    return clean + noise, clean


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_the_target_lies_between_the_truth_and_the_teachers_result(share: float) -> None:
    noisy, clean = mixture()
    target = Teacher("conv_dae", share).target(noisy, clean, RATE)
    told = audioae.load("conv_dae")(noisy[0], RATE)
    torch.testing.assert_close(target[0], (1 - share) * clean[0] + share * told, atol=1e-5, rtol=0)
    assert torch.equal(target[1:], clean[1:]), "of clean speech, and of noise alone, the truth is known"
    assert not target.requires_grad


def test_a_teacher_that_is_an_ensemble_takes_a_batch() -> None:
    noisy, clean = mixture()
    target = Teacher("conv_dae_large", 1.0).target(noisy, clean, RATE)
    assert target.shape == clean.shape
    torch.testing.assert_close(target[0], audioae.load("conv_dae_large")(noisy[0], RATE), atol=1e-5, rtol=0)


def test_only_losses_that_compare_samples_are_told() -> None:
    noisy, clean = mixture()
    told = clean.roll(50, -1)
    for name in terms.FAMILIES["waves"]:
        only = {name: terms.schema_of(name)()}
        value, other = (terms.total(only, noisy, clean, RATE, told=each)[0] for each in (None, told))
        assert (value == other) == (name not in ("si_sdr", "sd_sdr", "l1", "mse")), name


def test_a_teacher_is_neither_trained_nor_kept() -> None:
    player = DenoisingPlayer(Denoiser(recipe("train.teacher=conv_dae")), 0)
    assert player.teacher is not None
    taught = {id(p) for p in player.teacher.denoiser.parameters()}
    assert taught.isdisjoint(id(p) for p in player.parameters())
    assert not any("teacher" in name for name in player.state_dict())


def test_who_is_the_teachers_equal_has_nothing_to_learn() -> None:
    teacher, settings = audioae.load("conv_dae"), recipe("train.teacher=conv_dae", "train.teacher_share=1")
    only = {"sd_sdr": terms.schema_of("sd_sdr")()}
    teacher.recipe = settings.model_copy(update={"losses": only})
    noisy, clean = mixture()
    loss, _ = DenoisingPlayer(teacher, 0)(noisy[:1], clean[:1], RATE, 0)
    assert loss.item() == pytest.approx(-30, abs=0.01), "the ceiling of sd_sdr"
    teacher.recipe = settings.model_copy(update={"losses": only, "train": settings.train.model_copy(update={"teacher": ""})})
    loss, _ = DenoisingPlayer(teacher, 0)(noisy[:1], clean[:1], RATE, 0)
    assert loss.item() > -20


def test_a_training_with_a_teacher_says_so_in_its_bundle(tmp_path: Path) -> None:
    train(recipe("train.teacher=conv_dae", "train.steps=2"), tmp_path / "pupil")
    pupil = audioae.load(tmp_path / "pupil" / "last.safetensors")
    assert pupil.recipe.train.teacher == "conv_dae"


def test_who_cannot_teach_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nobody: is neither a model in the package nor a file"):
        train(recipe("train.teacher=nobody"), tmp_path / "a")
    with pytest.raises(BundleError, match=r"train\.teacher digits: is a classifier: give a denoiser"):
        train(recipe("train.teacher=digits"), tmp_path / "b")
    with pytest.raises(RecipeError, match=r"train\.teacher: not for `model.kind: autoencoder"):
        load(Recipe, "recipes/sparse_kl.yaml", ["train.teacher=conv_dae"])
