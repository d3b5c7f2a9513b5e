"""Knowledge distillation: the target between clean wave and result, the losses that use it, and valid teachers."""

from pathlib import Path

import pytest
import torch

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.denoisers.task import SAMPLE_BY_SAMPLE, Task
from audioae.denoisers.teacher import Teacher
from audioae.errors import ModelFileError, RecipeError
from audioae.family import every_family, options_of_loss
from audioae.recipe import Recipe, recipe_of
from audioae.settings.config import load
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
def test_the_target_lies_between_the_clean_wave_and_the_teachers_result(share: float) -> None:
    noisy, clean = mixture()
    target = Teacher(audioae.load("conv_dae"), share).target(noisy, clean, RATE)
    told = audioae.load("conv_dae")(noisy[0], RATE)
    torch.testing.assert_close(target[0], (1 - share) * clean[0] + share * told, atol=1e-5, rtol=0)
    assert torch.equal(target[1:], clean[1:]), "of clean speech, and of noise alone, the truth is known"
    assert not target.requires_grad


def test_a_teacher_that_is_an_ensemble_takes_a_batch() -> None:
    noisy, clean = mixture()
    target = Teacher(audioae.load("conv_dae_large"), 1.0).target(noisy, clean, RATE)
    assert target.shape == clean.shape
    torch.testing.assert_close(target[0], audioae.load("conv_dae_large")(noisy[0], RATE), atol=1e-5, rtol=0)


def test_only_losses_on_samples_use_the_teacher() -> None:
    assert {"si_sdr", "sd_sdr", "l1", "mse"} == SAMPLE_BY_SAMPLE
    noisy, clean = mixture()
    for name in every_family()["denoisers"].losses:
        settings = recipe("train.teacher=conv_dae", "train.teacher_share=1")
        only = settings.model_copy(update={"losses": {name: options_of_loss(name)()}})
        alone = only.model_copy(update={"train": settings.train.model_copy(update={"teacher": ""})})
        taught, untaught = (
            Task(audioae.load("conv1d_dae"), each, 0, audioae.load)(noisy[:1], clean[:1], RATE, 0)[0]
            for each in (only, alone)
        )
        assert bool(taught == untaught) == (name not in SAMPLE_BY_SAMPLE), name


def test_a_teacher_is_neither_trained_nor_kept() -> None:
    made = recipe("train.teacher=conv_dae")
    player = Task(Denoiser(made.model), made, 0, audioae.load)
    assert player.teacher is not None
    taught = {id(p) for p in player.teacher.denoiser.parameters()}
    assert taught.isdisjoint(id(p) for p in player.parameters())
    assert not any("teacher" in name for name in player.state_dict())


def test_a_student_equal_to_its_teacher_has_no_loss() -> None:
    teacher, settings = audioae.load("conv_dae"), recipe("train.teacher=conv_dae", "train.teacher_share=1")
    taught = settings.model_copy(update={"losses": {"sd_sdr": options_of_loss("sd_sdr")()}})
    noisy, clean = mixture()
    loss, _ = Task(teacher, taught, 0, audioae.load)(noisy[:1], clean[:1], RATE, 0)
    assert loss.item() == pytest.approx(-30, abs=0.01), "the ceiling of sd_sdr"
    alone = taught.model_copy(update={"train": settings.train.model_copy(update={"teacher": ""})})
    loss, _ = Task(teacher, alone, 0, audioae.load)(noisy[:1], clean[:1], RATE, 0)
    assert loss.item() > -20


def test_a_training_with_a_teacher_says_so_in_its_model_file(tmp_path: Path) -> None:
    train(recipe("train.teacher=conv_dae", "train.steps=2"), tmp_path / "pupil")
    pupil = audioae.load(tmp_path / "pupil" / "last.safetensors")
    assert recipe_of(pupil).train.teacher == "conv_dae"


def test_unusable_teachers_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="nobody: is neither a model in the package nor a file"):
        train(recipe("train.teacher=nobody"), tmp_path / "a")
    with pytest.raises(ModelFileError, match=r"train\.teacher digits: is a classifier: give a denoiser"):
        train(recipe("train.teacher=digits"), tmp_path / "b")
    with pytest.raises(RecipeError, match=r"train\.teacher: not for `model.kind: autoencoder"):
        load(Recipe, "recipes/sparse_kl.yaml", ["train.teacher=conv_dae"])
