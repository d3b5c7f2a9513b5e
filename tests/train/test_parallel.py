"""Two processes that share a batch do what one process does with the whole of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

OVERRIDES = [
    "data.seconds=0.5", "data.batch_size=4", "valid.at_most=1", "train.warmup=0", "model.channels=8",
    "model.dilations=[1, 2]", "train.workers=0", "train.learning_rate=0.0001", "data.other_share=0",
]  # fmt: skip


def run(launcher: list[str], out: Path, *more: str) -> None:
    command = [
        *launcher,
        "-m",
        "audioae",
        "train",
        "recipes/conv_dae.yaml",
        *OVERRIDES,
        *more,
        "--out",
        str(out),
        "--device",
        "cpu",
        "-q",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.usefixtures("root")
def test_two_gloo_processes_equal_one_with_the_double_batch(tmp_path: Path) -> None:
    run([sys.executable], tmp_path / "one", "train.steps=3")
    run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
        tmp_path / "two",
        "train.steps=3",
    )
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
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run(launcher, tmp_path / "run", "train.steps=100000", "--budget", "5s")
    assert (tmp_path / "run/best.safetensors").is_file()
