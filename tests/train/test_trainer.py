"""Training by recipe: resuming, interrupting, damaged input; small but real, on the samples."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import audioae
from audioae.recipe import Recipe, recipe_of
from audioae.settings.config import load
from audioae.train.trainer import train
from audioae.train.watcher import Watcher

SMALL = [
    "data.seconds=0.5", "data.batch_size=4", "data.memory_mb=200", "valid.at_most=2", "train.warmup=2", "train.log_every=2",
    "model.channels=8", "model.dilations=[1, 2]", "train.validate_every=4", "train.checkpoint_every=3", "train.workers=1",
]  # fmt: skip


def recipe(*overrides: str) -> Recipe:
    return load(Recipe, "recipes/conv_dae.yaml", [*SMALL, *overrides])


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path)


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.mark.usefixtures("root", "drawn")
def test_a_training_writes_all_of_its_files(tmp_path: Path) -> None:
    result = train(recipe("train.steps=6"), tmp_path / "run", device="cpu")
    assert (result.progress.step, result.interrupted) == (6, False)
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {
        "best.safetensors",
        "last.safetensors",
        "checkpoint.safetensors",
        "curves.png",
        "log.jsonl",
        "recipe.json",
        "tensorboard",
    }
    rows = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in rows if "losses" in r] == [2, 4, 6]
    assert [r["step"] for r in rows if "valid" in r] == [4, 6]
    assert (tmp_path / "run/curves.png").read_bytes().startswith(b"\x89PNG")
    denoiser = audioae.load(result.model_file)
    assert recipe_of(denoiser) == recipe("train.steps=6")
    # Training moved the weights, and the network it left is no longer the identity.
    wave = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert not torch.allclose(denoiser(wave, 16000), wave, atol=1e-6)


@pytest.mark.usefixtures("root")
def test_resuming_equals_no_interruption(tmp_path: Path, impatient: Callable[[int], Watcher]) -> None:
    whole = recipe("train.steps=7")
    train(whole, tmp_path / "whole", device="cpu")

    first = train(whole, tmp_path / "parts", device="cpu", watcher=impatient(3))
    assert first.interrupted and first.progress.step == 3
    audioae.load(tmp_path / "parts/best.safetensors")
    second = train(whole, tmp_path / "parts", resume=True, device="cpu")
    assert second.progress.step == 7 and not second.interrupted
    for name in ("last", "checkpoint"):
        assert_equal(weights(tmp_path / f"whole/{name}.safetensors"), weights(tmp_path / f"parts/{name}.safetensors"))


@pytest.mark.usefixtures("root")
def test_the_number_of_workers_does_not_matter(tmp_path: Path) -> None:
    for workers in (0, 2):
        # Sums are rounded by the number of threads, which otherwise depends on that of workers.
        settings = ["train.steps=3", "train.threads=1", f"train.workers={workers}"]
        train(recipe(*settings), tmp_path / str(workers), device="cpu")
    assert_equal(*(weights(tmp_path / f"{w}/last.safetensors") for w in (0, 2)))


class Counting(Watcher):
    """Notes how many threads compute."""

    threads = 0

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        self.threads = torch.get_num_threads()


@pytest.mark.usefixtures("root")
def test_a_recipe_chooses_the_threads_of_its_training_alone(tmp_path: Path) -> None:
    before, watcher = torch.get_num_threads(), Counting()
    train(recipe("train.steps=1", "train.threads=3"), tmp_path / "run", device="cpu", watcher=watcher)
    assert (watcher.threads, torch.get_num_threads()) == (3, before)


@pytest.mark.usefixtures("root")
def test_training_learns(tmp_path: Path) -> None:
    settings = [
        "seed=0",  # its first batch is not an easy one
        "train.steps=60",
        "train.validate_every=60",
        "model.channels=16",
        "data.other_share=0",
        "data.augment.clean_only=0",
        "losses.attenuated_start=0",  # counts attenuation only, and for random weights outweighs the other losses
        "data.augment.no_lead_in.share=0",
        "data.augment.late_start.share=0.25",
        "data.augment.high_pass.share=0.3",
    ]
    result = train(
        recipe(*settings, "data.seconds=1", "train.learning_rate=0.003", "train.ema=0.9"), tmp_path / "run", device="cpu"
    )
    rows = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    losses = [row["losses"]["compressed_magnitude"] for row in rows if "losses" in row]
    assert losses[-1] < 0.8 * losses[0]
    assert result.figures["log_spectral_distance"] > 0


@pytest.mark.usefixtures("root")
def test_initial_weights_come_from_a_model_file(tmp_path: Path) -> None:
    train(recipe("train.steps=2"), tmp_path / "first", device="cpu")
    init = f"train.init={tmp_path / 'first/last.safetensors'}"
    tiny = train(
        recipe("train.steps=1", init, "train.learning_rate=1.0e-9", "train.ema=0"), tmp_path / "second", device="cpu"
    )
    one, two = weights(tmp_path / "first/last.safetensors"), weights(tmp_path / "second/last.safetensors")
    assert tiny.progress.step == 1
    assert all(torch.allclose(one[n], two[n], atol=1e-6) for n in one if "running" not in n)
    with pytest.raises(audioae.ModelFileError, match="another model"):
        train(recipe("train.steps=1", init, "model.channels=9"), tmp_path / "third", device="cpu")


@pytest.mark.usefixtures("root")
def test_a_larger_model_grows_from_a_smaller_one(tmp_path: Path) -> None:
    train(recipe("train.steps=2", "model.offset_window=0"), tmp_path / "small", device="cpu")
    init = f"train.init={tmp_path / 'small/last.safetensors'}"
    grown = load(
        Recipe,
        "recipes/crn_dae.yaml",
        [*SMALL, "model.memory_after=[2]", init, "train.steps=1", "train.learning_rate=1.0e-9", "train.ema=0"],
    )
    train(grown, tmp_path / "grown", device="cpu")
    wave = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    before, after = (audioae.load(tmp_path / f"{name}/last.safetensors")(wave, 16000) for name in ("small", "grown"))
    # The batch's statistics have moved a little; the recurrent units add nothing yet.
    assert torch.allclose(before, after, atol=1e-3)


def two_models(folder: Path) -> list[Path]:
    for seed in (1, 2):
        train(recipe("train.steps=1", f"seed={seed}", "train.ema=0"), folder / str(seed), device="cpu")
    return [folder / f"{seed}/last.safetensors" for seed in (1, 2)]


@pytest.mark.usefixtures("root")
def test_an_ensemble_is_put_together_from_trained_members(tmp_path: Path) -> None:
    members = two_models(tmp_path)
    sizes = "{channels: 8, dilations: [1, 2], exponent: 0.85, bands: bins}"
    small = [option for option in SMALL if not option.startswith("model.")]
    joined = load(
        Recipe,
        "recipes/conv_dae_large.yaml",
        [*small, f"model.members=[{sizes}, {sizes}]", f"train.init=[{members[0]}, {members[1]}]", "train.steps=0"],
    )
    result = train(joined, tmp_path / "joined", device="cpu")
    assert (result.taken, result.interrupted) == (0, False)
    wave = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    each = [audioae.load(path)(wave, 16000) for path in members]
    assert torch.allclose(audioae.load(result.model_file)(wave, 16000), (each[0] + each[1]) / 2, atol=1e-6)
    assert not torch.allclose(each[0], each[1], atol=1e-4)
    alone = joined.model_copy(update={"train": joined.train.model_copy(update={"init": (str(members[0]),)})})
    with pytest.raises(audioae.ModelFileError, match=r"1 models in a list .* here are 2"):
        train(alone, tmp_path / "alone", device="cpu")


@pytest.mark.usefixtures("root")
def test_a_model_may_begin_with_the_mean_of_several(tmp_path: Path) -> None:
    made = two_models(tmp_path)
    init = f"train.init=[{made[0]}, {made[0]}, {made[1]}]"
    train(recipe(init, "train.steps=0"), tmp_path / "mean", device="cpu")
    one, two, mean = (weights(path) for path in (*made, tmp_path / "mean/last.safetensors"))
    assert all(torch.allclose(mean[name], (2 * one[name] + two[name]) / 3, atol=1e-6) for name in one)
    assert not all(torch.allclose(one[name], two[name], atol=1e-3) for name in one)
    other = [f"train.init=[{made[0]}, conv1d_dae]", "train.steps=0"]
    with pytest.raises(audioae.ModelFileError, match="another model"):
        train(recipe(*other), tmp_path / "other", device="cpu")


@pytest.mark.usefixtures("root")
def test_impossible_trainings_are_rejected(tmp_path: Path) -> None:
    train(recipe("train.steps=1"), tmp_path / "run", device="cpu")
    with pytest.raises(audioae.OutputError, match="--resume"):
        train(recipe("train.steps=1"), tmp_path / "run", device="cpu")
    with pytest.raises(audioae.ModelFileError, match="another `seed`"):
        train(recipe("train.steps=1", "seed=5"), tmp_path / "run", resume=True, device="cpu")
    with pytest.raises(audioae.ModelFileError, match="header says"):
        audioae.load(tmp_path / "run/checkpoint.safetensors")
    (tmp_path / "run/checkpoint.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(audioae.ModelFileError, match="not a safetensors file"):
        train(recipe("train.steps=1"), tmp_path / "run", resume=True, device="cpu")
    with pytest.raises(audioae.RecipeError, match="fp16 needs a GPU"):
        train(recipe("train.precision=fp16"), tmp_path / "b", device="cpu")
    with pytest.raises(audioae.DataError, match="no audio found"):
        train(recipe("data.noise=[nowhere]"), tmp_path / "c", device="cpu")
    with pytest.raises(audioae.RecipeError, match="'gpu': there are auto"):
        train(recipe(), tmp_path / "e", device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(audioae.RecipeError, match="no CUDA GPU"):
            train(recipe(), tmp_path / "d", device="cuda")


@pytest.mark.usefixtures("root")
def test_steps_that_are_not_finite_are_skipped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audioae.denoisers import task

    calls = []
    whole = task.weighted_sum

    def sometimes(*args: object, **named: object) -> object:
        loss, values = whole(*args, **named)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) != 2:
            return loss, values
        return loss * float("nan"), dict.fromkeys(values, torch.tensor(float("inf")))

    def refused(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    monkeypatch.setattr(task, "weighted_sum", sometimes)
    result = train(recipe("train.steps=4"), tmp_path / "run", device="cpu")
    assert (result.progress.skipped, result.progress.step) == (1, 4)
    log = (tmp_path / "run/log.jsonl").read_text().splitlines()
    rows = [json.loads(line, parse_constant=refused) for line in log]
    trained = [row for row in rows if "losses" in row]
    assert [(row["step"], row["skipped"], row["gradient_norm"] is None) for row in trained] == [(2, 1, True), (4, 1, False)]
    assert all(value is not None for row in trained for value in row["losses"].values())
    assert all(torch.isfinite(v).all() for v in weights(tmp_path / "run/last.safetensors").values())


@pytest.mark.usefixtures("root")
def test_half_precision_trains_after_a_training_that_failed(tmp_path: Path) -> None:
    with pytest.raises(audioae.AudioaeError):
        train(recipe("train.steps=2", "data.clean=['nowhere']"), tmp_path / "failed", device="cpu")
    result = train(recipe("train.steps=2", "train.precision=bf16"), tmp_path / "run", device="cpu")
    assert result.progress.skipped == 0


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_at_the_keyboard_or_a_service_that_is_stopped(
    tmp_path: Path, until: Callable[..., bool], number: signal.Signals
) -> None:
    command = [
        sys.executable,
        "-m",
        "audioae",
        "train",
        "recipes/conv_dae.yaml",
        *SMALL,
        "train.steps=100000",
        "train.log_every=1",
    ]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run"), "--device", "cpu"], stderr=subprocess.PIPE, start_new_session=True
    )
    log = tmp_path / "run/log.jsonl"
    until(lambda: log.is_file() and log.read_text().count("\n") >= 3, process)
    # As a terminal or a service manager does, to the whole group: workers too.
    os.killpg(process.pid, number)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert b"--resume continues" in errors and b"Traceback" not in errors
    audioae.load(tmp_path / "run/best.safetensors")
