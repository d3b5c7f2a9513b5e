"""All that a training needs to go on as if nothing had happened, in one safetensors file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from audioae.bundle import load_tensors, save_tensors
from audioae.config import dump, parse
from audioae.errors import BundleError
from audioae.recipe import Recipe
from audioae.train.folder import LAST

FORMAT = "audioae checkpoint 1"
DECIDING = ("best", "pairs", "at_most")
"""Settings of ``valid`` without which a best value cannot be compared with one from before."""


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        step: optimiser steps taken, which is also the index of the next batch.
        seconds: time spent, over all runs.
        skipped: steps left out because the loss or the gradient was not finite.
        best: the best value of the deciding measure so far; None before the first validation with these settings.
        scaler: state of the gradient scaler of half precision; None without one.
    """

    step: int = 0
    seconds: float = 0.0
    skipped: int = 0
    best: float | None = None
    scaler: dict[str, float] | None = None


def save(
    path: Path, recipe: Recipe, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write modules by name, such as the model and its average, optimiser and progress; the file is replaced whole or not
    at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {f"{n}.{k}": v for n, module in modules.items() for k, v in module.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in moments.items()}
    save_tensors(path, tensors, {"format": FORMAT, "recipe": dump(recipe), "progress": json.dumps(asdict(progress))})


def restore(path: Path, recipe: Recipe, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> Progress:
    """Fill modules and optimiser from a checkpoint.

    Raises:
        BundleError: not a checkpoint, or one of another model or data.
    """
    tensors, header = load_tensors(path, FORMAT)
    before = parse(Recipe, header["recipe"], str(path))
    for section in ("seed", "model", "data"):
        if getattr(before, section) != getattr(recipe, section):
            raise BundleError(f"{path}: was made with another `{section}` section: give that recipe, or another --out")
    if before.train.optimizer != recipe.train.optimizer:
        raise BundleError(
            f"{path}: was trained by `train.optimizer: {before.train.optimizer}`, not {recipe.train.optimizer}: resume with "
            f"train.optimizer={before.train.optimizer}, or begin a new training with train.init={path.with_name(LAST)}"
        )
    groups: dict[str, dict[str, Tensor]] = {name: {} for name in (*modules, "optimizer")}
    for name, tensor in tensors.items():
        group, _, rest = name.partition(".")
        groups[group][rest] = tensor
    for name, module in modules.items():
        module.load_state_dict(groups[name])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in groups["optimizer"].items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    progress = Progress(**json.loads(header["progress"]))
    if any(getattr(before.valid, name) != getattr(recipe.valid, name) for name in DECIDING):
        progress.best = None
    return progress
