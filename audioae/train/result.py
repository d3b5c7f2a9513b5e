"""The result of a training, and whether it learnt anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audioae.family import is_better
from audioae.recipe import Recipe
from audioae.train.checkpoint import Progress


@dataclass(frozen=True)
class Result:
    """Result of a training.

    Attributes:
        progress: steps, seconds, skipped steps.
        figures: measures of the last validation.
        interrupted: it was stopped before its end; ``resume`` goes on.
        taken: steps of this run alone.
        model_file: the model file with the best weights.
        is_main: whether this is the process that writes and prints, of several that train together.
        doubt: why the model has probably not learnt anything; empty where there is no doubt.
    """

    progress: Progress
    figures: dict[str, float]
    interrupted: bool
    taken: int
    model_file: Path
    is_main: bool = True
    doubt: str = ""

    @property
    def bundle(self) -> Path:
        """Name of ``model_file`` in earlier versions."""
        return self.model_file


def doubt(recipe: Recipe, progress: Progress, noisy: Mapping[str, float]) -> str:
    """Why a model has probably not learnt anything, in a line; empty where there is no doubt.

    Args:
        recipe: of the training.
        progress: at its end.
        noisy: measures of the unprocessed input.
    """
    train, name = recipe.train, recipe.valid.best
    if not train.steps:
        return ""
    if progress.step - progress.skipped <= 0:
        return "no step had a finite gradient, so nothing was learnt: lower train.learning_rate"
    if progress.step <= train.warmup:
        return (
            f"{progress.step} steps are no more than the warm-up of {train.warmup} (train.warmup), "
            "too few to learn anything: train longer"
        )
    if progress.best is not None and name in noisy and not is_better(name, progress.best, noisy[name]):
        return f"{name} is {progress.best:.3g}, no better than the {noisy[name]:.3g} of the unprocessed input: train longer"
    return ""
