"""The scaler of half precision, on a CPU in single precision, with losses that overflow in the first steps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from audioae.denoisers import task
from audioae.recipe import Recipe
from audioae.settings.config import load
from audioae.train import trainer
from audioae.train.accelerator import Parallel
from audioae.train.trainer import train

SMALL = [
    "data.seconds=0.5", "data.batch_size=2", "data.memory_mb=200", "valid.at_most=1", "train.workers=0", "train.warmup=0",
    "model.channels=8", "model.dilations=[1]", "valid.measures=[si_sdr]",
]  # fmt: skip
FIRST = 2.0**16
OVERFLOWS = 3


class Scaled(Parallel):
    """Accelerate's own way of float16, with computation in float32 and a loss that is scaled."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        accelerator = self.accelerator
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=FIRST)
        accelerator.state._mixed_precision, accelerator.native_amp = "fp16", True


PLAIN = ["losses={compressed_magnitude: 10}"]
"""A loss whose gradient 16 bits hold at the scale that the test leads to."""


@pytest.mark.usefixtures("root")
def test_an_overflow_lowers_the_scale_and_the_training_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "Parallel", Scaled)
    calls, whole = [], task.weighted_sum

    def total(*arguments: Any, **named: Any) -> Any:
        loss, values = whole(*arguments, **named)
        calls.append(1)
        return (loss * 1e38 if len(calls) <= OVERFLOWS else loss), values

    monkeypatch.setattr(task, "weighted_sum", total)
    recipe = load(Recipe, "recipes/conv_dae.yaml", [*SMALL, *PLAIN, "train.steps=5"])
    result = train(recipe, tmp_path / "run", device="cpu")
    assert (result.progress.step, result.progress.skipped) == (5, OVERFLOWS)
    assert result.progress.scaler is not None and result.progress.scaler["scale"] == FIRST / 2**OVERFLOWS
    weights = load_file(tmp_path / "run/last.safetensors")
    assert all(torch.isfinite(value).all() for value in weights.values())
    # A resumed training continues with the last scale.
    longer = load(Recipe, "recipes/conv_dae.yaml", [*SMALL, *PLAIN, "train.steps=7"])
    again = train(longer, tmp_path / "run", resume=True, device="cpu")
    assert (again.taken, again.progress.skipped) == (2, OVERFLOWS)
    assert again.progress.scaler == result.progress.scaler | {"_growth_tracker": 4}
