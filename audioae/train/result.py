"""The result of a training."""

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
        interrupted: the training was stopped by a signal; it can be resumed.
        taken: steps of this run.
        model_file: the model file with the best weights.
        is_main: whether this is the process that writes and prints, of several that train together.
        doubt: reason why the model has probably not learnt anything; empty otherwise.
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
    """Reason why a model has probably not learnt anything; empty otherwise.

    Args:
        recipe: recipe of the training.
        progress: progress at the end.
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
