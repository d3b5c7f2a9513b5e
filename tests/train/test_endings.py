"""Errors during a training, resuming, folders without a training, changed validation."""

import json
import multiprocessing
from pathlib import Path

import pytest
from click.testing import CliRunner

import audioae
from audioae.cli.app import main
from audioae.data.mixer import Batch, Mixer
from audioae.modelfile import load_tensors, save_tensors
from audioae.recipe import Recipe
from audioae.settings.config import dump, load
from audioae.train.checkpoint import FORMAT
from audioae.train.trainer import train
from audioae.train.watcher import Watcher

SMALL = [
    "data.seconds=0.5", "data.batch_size=2", "data.memory_mb=200", "valid.at_most=1", "train.warmup=2", "train.workers=0",
    "model.channels=8", "model.dilations=[1]", "valid.measures=[si_sdr, log_spectral_distance]",
]  # fmt: skip
pytestmark = pytest.mark.usefixtures("root")


def recipe(*overrides: str) -> Recipe:
    return load(Recipe, "recipes/conv_dae.yaml", [*SMALL, *overrides])


def progress(out: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads(load_tensors(out / "checkpoint.safetensors", FORMAT)[1]["progress"])
    return found


def break_at(monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    whole = Mixer.batch

    def batch(self: Mixer, at: int, rows: range) -> Batch:
        if at == index:
            raise audioae.DataError("the disk is gone")
        return whole(self, at, rows)

    monkeypatch.setattr(Mixer, "batch", batch)


def test_an_error_during_a_training_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        break_at(patch, 2)
        with pytest.raises(audioae.DataError, match="the disk is gone"):
            train(recipe("train.steps=4"), tmp_path, device="cpu")
    assert progress(tmp_path)["step"] == 2
    audioae.load(tmp_path / "last.safetensors")
    result = train(recipe("train.steps=4"), tmp_path, resume=True, device="cpu")
    assert (result.progress.step, result.taken) == (4, 2)


class Killer(Watcher):
    """Kills the process that mixes training data after the first step."""

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()


def test_a_killed_data_worker_is_told_in_one_line_and_the_training_resumes(tmp_path: Path) -> None:
    settings = recipe("train.steps=40", "train.workers=1")
    with pytest.raises(audioae.DataError, match=r"mixes training data was killed.*--resume"):
        train(settings, tmp_path, device="cpu", watcher=Killer())
    assert 1 <= progress(tmp_path)["step"] < 40
    assert train(settings, tmp_path, resume=True, device="cpu").progress.step == 40


def test_after_an_error_before_the_first_step_the_training_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_at(patch, 0)
        with pytest.raises(audioae.DataError, match="the disk is gone"):
            train(recipe("train.steps=1"), tmp_path, device="cpu")
    assert not (tmp_path / "checkpoint.safetensors").exists()
    assert train(recipe("train.steps=1"), tmp_path, device="cpu").taken == 1


@pytest.mark.parametrize("name", ["log.jsonl", "curves.png", "recipe.json"])
@pytest.mark.parametrize("content", [b"PRECIOUS", b'{"model": {"kind": "conv_dae"}, "losses": {"l1": 1}}\n'])
def test_files_of_other_programs_are_kept(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(audioae.OutputError, match=rf"{name}: is there already.*give another --out"):
        train(recipe("train.steps=1"), tmp_path, device="cpu")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, content)]


def test_a_recipe_is_not_replaced_by_its_resolved_form(tmp_path: Path) -> None:
    """Unless its own training is resumed."""
    path = tmp_path / "recipe.json"
    path.write_text(dump(recipe()) + "\n")
    before = path.read_bytes()
    arguments = ["train", str(path), "-o", str(tmp_path), "train.steps=1"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1 and "recipe.json: is the input itself" in done.output
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["recipe.json"]
    train(recipe("train.steps=1"), tmp_path / "run", device="cpu")
    assert (
        CliRunner()
        .invoke(main, ["train", str(tmp_path / "run/recipe.json"), "-o", str(tmp_path / "run"), "--resume"])
        .exit_code
        == 0
    )


def test_resuming_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(audioae.OutputError, match="holds no checkpoint to resume"):
        train(recipe("train.steps=1"), tmp_path / "run", resume=True, device="cpu")
    assert not (tmp_path / "run").exists()
    (tmp_path / "best.safetensors").write_bytes(b"")
    with pytest.raises(audioae.OutputError, match="holds models already"):
        train(recipe("train.steps=1"), tmp_path, device="cpu")


def test_a_recipe_that_cannot_be_written_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").mkdir()
    with pytest.raises(audioae.OutputError, match=r"recipe\.json: is a folder") as caught:
        train(recipe("train.steps=1"), tmp_path, device="cpu")
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["recipe.json"]


def test_a_changed_validation_resets_the_best_value(tmp_path: Path) -> None:
    train(recipe("train.steps=1"), tmp_path, device="cpu")
    for step, other, starts_anew in (
        (2, "valid.best=si_sdr", False),
        (3, "valid.best=log_spectral_distance", True),
        (4, "valid.at_most=2", True),
    ):
        # Best possible values of both measures, which stay unless they are reset.
        best = -99.0 if "distance" in other else 99.0
        tensors, header = load_tensors(tmp_path / "checkpoint.safetensors", FORMAT)
        recorded = recipe("train.steps=1")
        header |= {"recipe": dump(recorded), "progress": json.dumps(json.loads(header["progress"]) | {"best": best})}
        save_tensors(tmp_path / "checkpoint.safetensors", tensors, header)
        result = train(recipe(f"train.steps={step}", other), tmp_path, resume=True, device="cpu")
        assert (result.progress.best != best) == starts_anew, other
