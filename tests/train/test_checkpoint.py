"""Checkpoints that are damaged or hostile: rejected in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.modelfile import load_tensors, save_tensors
from audioae.recipe import Recipe
from audioae.settings.config import parse
from audioae.train import checkpoint
from audioae.train.checkpoint import FORMAT, Progress
from audioae.train.optimizer import optimizer_of

TEXT = "model: {kind: conv1d_dae, channels: 4, dilations: [1]}\nlosses: {l1: 1}\n"


class Training:
    """Contents of a checkpoint after one step."""

    def __init__(self, extra: str = "") -> None:
        self.recipe = parse(Recipe, TEXT + extra, "test")
        torch.manual_seed(0)
        self.denoiser = Denoiser(self.recipe.model)
        self.optimizer = optimizer_of(self.denoiser, self.recipe.train)
        self.denoiser(torch.randn(1, 8000), 8000).abs().mean().backward()
        self.optimizer.step()

    @property
    def modules(self) -> dict[str, torch.nn.Module]:
        return {"model": self.denoiser.network}

    def save(self, path: Path) -> None:
        checkpoint.save(path, self.recipe, self.modules, self.optimizer, Progress(3, 1.5, 0, 2.5))

    def restore(self, path: Path) -> Progress:
        return checkpoint.restore(path, self.recipe, self.modules, self.optimizer)


Tensors = dict[str, torch.Tensor]
Change = Callable[[Tensors, dict[str, str]], object]


def renamed(old: str, new: str) -> Change:
    def change(tensors: Tensors, _: dict[str, str]) -> None:
        name = next(each for each in tensors if each.startswith(old))
        tensors[new] = tensors.pop(name)

    return change


def header(**values: str) -> Change:
    return lambda _, held: held.update(values)


def progress(**values: object) -> Change:
    return lambda _, held: held.update(progress=json.dumps(json.loads(held["progress"]) | values))


DAMAGE: dict[str, tuple[Change, str]] = {
    "no progress": (lambda _, held: held.pop("progress"), "progress"),
    "no recipe": (lambda _, held: held.pop("recipe"), "recipe"),
    "progress a list": (header(progress="[]"), "progress"),
    "progress a number": (header(progress="3"), "progress"),
    "progress nested": (header(progress="[" * 100_000), "progress"),
    "other progress": (header(progress='{"foo": 1}'), "progress"),
    "step of text": (progress(step="x"), "progress"),
    "step below zero": (progress(step=-5), "progress"),
    "step a fraction": (progress(step=1.5), "progress"),
    "step true": (progress(step=True), "progress"),
    "step of 400 digits": (progress(step=10**400), "progress"),
    "seconds null": (progress(seconds=None), "progress"),
    "seconds infinite": (progress(seconds=float("inf")), "progress"),
    "best of text": (progress(best="9"), "progress"),
    "a scaler of something else": (progress(scaler={"a": 1}), "progress"),
    "a scaler of text": (progress(scaler="x"), "progress"),
    "other recipe": (header(recipe='{"a": 1}'), "recipe"),
    "a recipe of two mistakes": (header(recipe='{"a": 1, "b": 2}'), "recipe"),
    "strange group": (renamed("model.", "strange.x"), "is missing"),
    "one group more": (lambda tensors, _: tensors.update({"strange.x": torch.zeros(1)}), "strange.x"),
    "weight renamed": (renamed("model.", "model.nope"), "is missing"),
    "weight of another shape": (lambda tensors, _: tensors.update({"model.encode.bias": torch.zeros(5)}), "encode.bias"),
    "weight not finite": (lambda tensors, _: tensors["model.encode.bias"].fill_(float("nan")), "NaN"),
    "moment not finite": (lambda tensors, _: tensors["optimizer.0.exp_avg"].fill_(float("inf")), "NaN"),
    "moment renamed": (renamed("optimizer.0.exp_avg", "optimizer.0.nope"), "optimiser"),
    "moment of nothing": (renamed("optimizer.0", "optimizer.x.y"), "optimiser"),
    "moment of no weight": (renamed("optimizer.0", "optimizer.99999.exp_avg"), "optimiser"),
    "moment of a strange digit": (renamed("optimizer.0", "optimizer.².exp_avg"), "optimiser"),
    "moment missing": (lambda tensors, _: tensors.pop("optimizer.0.exp_avg_sq"), "optimiser"),
    "moment of another shape": (lambda tensors, _: tensors.update({"optimizer.0.exp_avg": torch.zeros(7)}), "optimiser"),
}


@pytest.fixture(scope="module")
def training() -> Training:
    return Training()


def test_a_whole_one_is_restored(training: Training, tmp_path: Path) -> None:
    training.save(path := tmp_path / "checkpoint.safetensors")
    other = Training()
    other.denoiser.network.encode.bias.data.zero_()
    assert other.restore(path) == Progress(3, 1.5, 0, 2.5)
    assert torch.equal(other.denoiser.network.encode.bias, training.denoiser.network.encode.bias)
    state, mine = (each.optimizer.state_dict()["state"] for each in (other, training))
    assert state.keys() == mine.keys() and all(torch.equal(state[n]["exp_avg"], mine[n]["exp_avg"]) for n in mine)
    muon = Training("train: {optimizer: muon}\n")
    muon.save(path)
    assert muon.restore(path).step == 3


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_one_is_rejected_in_one_line(what: str, training: Training, tmp_path: Path) -> None:
    training.save(path := tmp_path / "checkpoint.safetensors")
    tensors, held = load_tensors(path, FORMAT)
    change, words = DAMAGE[what]
    change(tensors, held)
    save_tensors(path, tensors, held)
    with pytest.raises(audioae.ModelFileError) as caught:
        training.restore(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and words in message.removeprefix(str(path))


def test_one_that_is_cut_off_is_rejected_in_one_line(training: Training, tmp_path: Path) -> None:
    training.save(path := tmp_path / "checkpoint.safetensors")
    data = path.read_bytes()
    for content in (b"", data[:4], data[: len(data) // 2], data[:-100]):
        path.write_bytes(content)
        with pytest.raises(audioae.ModelFileError, match="not a safetensors file of audioae"):
            training.restore(path)
