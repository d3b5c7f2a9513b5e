"""Checkpoints: the complete state of a training in one safetensors file."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from audioae.errors import ModelFileError, RecipeError
from audioae.modelfile import compare, load_tensors, save_tensors
from audioae.recipe import Recipe
from audioae.settings.config import dump, parse
from audioae.train.folder import LAST

FORMAT = "audioae checkpoint 1"
MOMENTS = "optimizer."
"""Prefix of the optimiser's tensors; the number of the parameter follows."""
HELD = ({"step", "exp_avg", "exp_avg_sq"}, {"step", "momentum"})
"""State that AdamW and Muon keep for each weight."""
SCALER = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
DECIDING = ("best", "pairs", "at_most")
"""Settings of ``valid`` that must be equal for best values to be comparable."""


@dataclass
class Progress:
    """Progress of a training.

    Attributes:
        step: optimiser steps taken, which is also the index of the next batch.
        seconds: time spent, over all runs.
        skipped: skipped steps with a loss or gradient that was not finite.
        best: best value of the measure ``valid.best``; None before the first validation with these settings.
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
    """Write modules by name, such as the model and its average, the optimiser and the progress, atomically.

    Raises:
        OutputError: the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {f"{n}.{k}": v for n, module in modules.items() for k, v in module.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{MOMENTS}{index}.{k}": torch.as_tensor(v) for k, v in moments.items()}
    save_tensors(path, tensors, {"format": FORMAT, "recipe": dump(recipe), "progress": json.dumps(asdict(progress))})


def restore(path: Path, recipe: Recipe, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> Progress:
    """Load modules and optimiser from a checkpoint.

    Raises:
        ModelFileError: not a checkpoint, a damaged checkpoint, or one of another recipe.
    """
    before: list[Recipe] = []

    def check(found: dict[str, Tensor], header: dict[str, str]) -> None:
        """Check the recipe and all shapes before memory is allocated."""
        before.append(_recipe_of(path, header))
        for section in ("seed", "model", "data"):
            if getattr(before[0], section) != getattr(recipe, section):
                raise ModelFileError(
                    f"{path}: was made with another `{section}` section: give that recipe, or another --out"
                )
        own = before[0].train.optimizer
        if own != recipe.train.optimizer:
            raise ModelFileError(
                f"{path}: was trained by `train.optimizer: {own}`, not {recipe.train.optimizer}: resume with "
                f"train.optimizer={own}, or begin a new training with train.init={path.with_name(LAST)}"
            )
        expected = {f"{n}.{k}": v for n, module in modules.items() for k, v in module.state_dict().items()}
        compare(path, expected, {k: v for k, v in found.items() if not k.startswith(MOMENTS)}, "does not fit the recipe")

    tensors, header = load_tensors(path, FORMAT, check=check)
    progress = _progress_of(path, header)
    for name, module in modules.items():
        module.load_state_dict({key: tensors[f"{name}.{key}"] for key in module.state_dict()})
    moments = _moments_of(path, tensors, [p for group in optimizer.param_groups for p in group["params"]])
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    if any(getattr(before[0].valid, name) != getattr(recipe.valid, name) for name in DECIDING):
        progress.best = None
    return progress


def _recipe_of(path: Path, header: dict[str, str]) -> Recipe:
    try:
        return parse(Recipe, header.get("recipe", ""), str(path))
    except RecipeError as error:
        raise ModelFileError(
            f"{path}: the recipe in the checkpoint is damaged, or another version's: {_first(error)}"
        ) from error


def _progress_of(path: Path, header: dict[str, str]) -> Progress:
    try:
        progress = Progress(**json.loads(header["progress"]))
        numbers = [progress.step, progress.seconds, progress.skipped, *([] if progress.best is None else [progress.best])]
        whole = all(type(each) is int and 0 <= each < 2**53 for each in (progress.step, progress.skipped))
        if not whole or any(type(each) not in (int, float) for each in numbers) or not 0 <= progress.seconds < math.inf:
            raise ValueError(f"step {progress.step!r} after {progress.seconds!r} s")
        scaler = progress.scaler or {}
        if scaler.keys() not in (set(), SCALER) or not all(0 <= float(each) < math.inf for each in scaler.values()):
            raise ValueError(f"scaler {progress.scaler!r}")
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ModelFileError(f"{path}: the progress in the checkpoint is damaged ({_first(error)})") from error
    return progress


def _moments_of(path: Path, tensors: dict[str, Tensor], parameters: list[nn.Parameter]) -> dict[int, dict[str, Tensor]]:
    """The optimiser's state by the number of each parameter."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if not name.startswith(MOMENTS):
            continue
        number, _, key = name.removeprefix(MOMENTS).partition(".")
        fits = number.isascii() and number.isdigit() and len(number) < 10 and int(number) < len(parameters)
        if not fits or (tensor.ndim and tensor.shape != parameters[int(number)].shape):
            raise ModelFileError(f"{path}: the optimiser in the checkpoint is damaged: {name} belongs to no weight")
        moments.setdefault(int(number), {})[key] = tensor
    for index, held in moments.items():
        if held.keys() not in HELD:
            raise ModelFileError(f"{path}: the optimiser in the checkpoint is damaged: of weight {index} it holds {[*held]}")
    return moments


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
