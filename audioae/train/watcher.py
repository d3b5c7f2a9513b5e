"""Observers of a training."""

from collections.abc import Sequence
from typing import Protocol

from audioae.data.gather import Sources
from audioae.recipe import Recipe


class Watcher(Protocol):
    """Callbacks of a training."""

    def started(self, recipe: Recipe, parameters: int, sources: Sources, noisy: dict[str, float]) -> None:
        """The training starts; ``noisy`` are the measures of the unprocessed validation input."""

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        """A step was taken; ``share`` is the share of the training that is done."""

    def skipped(self, reasons: Sequence[str]) -> None:
        """Damaged files were found and are skipped from now on."""

    def measuring(self, step: int, done: int, of: int) -> None:
        """Recordings were measured in a validation."""

    def validated(self, step: int, figures: dict[str, float], best: bool) -> None:
        """A validation of the averaged weights has ended."""

    def alarmed(self, step: int, why: str) -> None:
        """The training probably goes wrong."""
