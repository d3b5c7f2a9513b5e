"""A classifier in the trainer: it learns, resumes, and rejects recordings of unknown classes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import audioae
import audioae.audio.files
from audioae.errors import DataError
from audioae.recipe import Recipe
from audioae.settings.config import parse
from audioae.train.trainer import train
from audioae.train.watcher import Watcher

TEXT = """
model: {kind: classifier, widths: [8, 16], embedding: 16, dropout: 0.1}
data: {clean: [samples/digits], noise: [], rir: [], rate: 8000, other_share: 0, crop: clip, label: 0, seconds: 1.0,
  batch_size: 10, augment: {clean_only: 1, noise_only: 0, reverb: {share: 0}}}
losses: {cross_entropy: 1}
train: {steps: 4, warmup: 0, workers: 0, checkpoint_every: 2, validate_every: 100}
valid: {clean: [samples/digits], measures: [accuracy], best: accuracy}
"""
pytestmark = pytest.mark.usefixtures("root")


def recipe(*overrides: str) -> Recipe:
    return parse(Recipe, TEXT, "test", overrides)


def test_a_classifier_learns_the_recordings(tmp_path: Path) -> None:
    made = recipe("train.steps=60", "train.learning_rate=0.005", "train.ema=0.9")
    result = train(made, tmp_path / "run", device="cpu")
    assert result.figures["accuracy"] > 0.6  # by chance 0.1
    judge = audioae.load(result.model_file, family=audioae.Classifier)
    assert judge.accuracy(sorted(Path("samples/digits").glob("*.flac"))) == pytest.approx(result.figures["accuracy"])
    sure = judge.probabilities([audioae.audio.files.read("samples/digits/3_jackson_0.flac")[0][:, 0]], 8000)
    assert sure.shape == (1, 10) and sure.sum() == pytest.approx(1, abs=1e-5)


def test_a_resumed_run_is_the_same_run(tmp_path: Path, impatient: Callable[[int], Watcher]) -> None:
    train(recipe(), tmp_path / "whole", device="cpu")
    assert train(recipe(), tmp_path / "parts", device="cpu", watcher=impatient(2)).interrupted
    train(recipe(), tmp_path / "parts", resume=True, device="cpu")
    whole, parts = (load_file(tmp_path / name / "last.safetensors") for name in ("whole", "parts"))
    for name in whole:
        assert torch.equal(whole[name], parts[name]), name


def test_unknown_classes_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds the class '\d', which is not among model.classes \(a, b\)"):
        train(recipe("model.classes=[a,b]", "train.steps=1"), tmp_path / "run", device="cpu")
    with pytest.raises(DataError, match="has no part 5 in its name"):
        train(recipe("data.label=5", "train.steps=1"), tmp_path / "other", device="cpu")
