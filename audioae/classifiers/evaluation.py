"""Measuring classifiers on recordings that they were not trained on."""

from collections.abc import Sequence
from pathlib import Path

from audioae.classifiers.classifier import Classifier
from audioae.task import Loader

PICTURES = ()


def rows(
    label: str, model: Classifier, files: Sequence[tuple[Path, Path]], fit_on: Sequence[str], load: Loader
) -> dict[str, dict[str, float]]:
    """Accuracy of a model by its label."""
    return {label: {"accuracy": model.accuracy([clean for _, clean in files])}}


def pictures(
    label: str, model: Classifier, files: Sequence[tuple[Path, Path]], paths: Sequence[Path], overwrite: bool
) -> None:
    """Classifiers have no pictures."""
