"""Observers of a training."""

from collections.abc import Sequence
from typing import Protocol

from audioae.data.gather import Sources
from audioae.recipe import Recipe


class Watcher(Protocol):
    """Callbacks of a training."""

    def started(self, recipe: Recipe, parameters: int, sources: Sources, noisy: dict[str, float]) -> None:
        """All is ready; ``noisy`` are the measures of the unprocessed validation input."""

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        """A step was taken; ``share`` of the training is done."""

    def skipped(self, reasons: Sequence[str]) -> None:
        """Files turned out to be damaged and are left out from now on."""

    def measuring(self, step: int, done: int, of: int) -> None:
        """A validation goes on: so many recordings have been measured."""

    def validated(self, step: int, figures: dict[str, float], best: bool) -> None:
        """The averaged weights were measured."""

    def alarmed(self, step: int, why: str) -> None:
        """The training seems to go wrong."""
