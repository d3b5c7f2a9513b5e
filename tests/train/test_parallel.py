"""Two processes that share a batch equal one process with the whole batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from audioae.cli.app import main

OVERRIDES = [
    "data.seconds=0.5", "data.batch_size=4", "valid.at_most=1", "train.warmup=0", "model.channels=8",
    "model.dilations=[1, 2]", "train.workers=0", "train.learning_rate=0.0001", "data.other_share=0",
]  # fmt: skip


TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
STAGED = [
    "data.seconds=0.5", "data.batch_size=4", "valid.at_most=1", "train.warmup=0", "train.workers=0", "train.steps=8",
    "train.stages=[2,2,2]", "model.widths=[8,8]", "model.strides=[2,2]", "model.code=8",
]  # fmt: skip


def words(out: Path, *overrides: str, recipe: str = "conv_dae") -> list[str]:
    return ["train", f"recipes/{recipe}.yaml", *overrides, "--out", str(out), "--device", "cpu", "-q", "--threads", "1"]


def one_process(out: Path, *overrides: str, recipe: str = "conv_dae") -> None:
    made = CliRunner().invoke(main, words(out, *overrides, recipe=recipe))
    assert made.exit_code == 0, (made.output, made.exception)


def two_processes(out: Path, *overrides: str, recipe: str = "conv_dae") -> str:
    command = [*TWO, "-m", "audioae", *words(out, *overrides, recipe=recipe)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.usefixtures("root")
def test_two_gloo_processes_equal_one_with_the_double_batch(tmp_path: Path) -> None:
    # The second and third step exchange noises, also between rows of different processes.
    steps = ["train.steps=3", "data.remix=3"]
    one_process(tmp_path / "one", *OVERRIDES, *steps)
    two_processes(tmp_path / "two", *OVERRIDES, *steps)
    one, two = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        if name.startswith("optimizer") and name.endswith("exp_avg"):
            # The gradients themselves, averaged over three steps.
            assert (one[name] - two[name]).abs().max() <= 1e-4 * one[name].abs().max() + 1e-9, name
        if name.startswith("model."):
            # Adam divides by the gradient's size, so that rounding shows where a gradient is next to nothing.
            assert (one[name] - two[name]).abs().max() < 3 * 3 * 1e-4 * 0.1, name


@pytest.mark.usefixtures("root")
def test_two_processes_end_together_when_the_time_is_up(tmp_path: Path) -> None:
    told = two_processes(tmp_path / "run", *OVERRIDES, "train.steps=100000", "--budget", "2s")
    assert told.count("best.safetensors") == 1
    assert (tmp_path / "run/best.safetensors").is_file()


@pytest.mark.usefixtures("root")
def test_two_processes_train_level_by_level_like_one(tmp_path: Path) -> None:
    one_process(tmp_path / "one", *STAGED, recipe="stacked")
    two_processes(tmp_path / "two", *STAGED, recipe="stacked")
    one, two = (load_file(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        if not name.endswith("activity"):  # reported for each process's half of the batch
            assert torch.allclose(one[name], two[name], atol=2e-4), name
