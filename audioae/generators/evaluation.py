"""Measuring generators against recordings that they were not trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audioae.generators import measures
from audioae.generators.evaluator import Evaluator, as_classifier
from audioae.generators.generator import Generator
from audioae.generators.measures import NEED_CLASSIFIER
from audioae.plot import save_patches
from audioae.recipe import recipe_of
from audioae.settings.registry import public_functions
from audioae.task import Loader

ACROSS, DOWN = 10, 3
PICTURES = ("beside",)
"""Names of the pictures of a model."""


def figures(model: Generator, files: Sequence[Path], load: Loader, seed: int = 0) -> dict[str, float]:
    """All measures of as many sounds as there are recordings; those of a classifier if ``valid.judge`` names one.

    Raises:
        ModelFileError: not a generator, or the classifier does not exist.
        InputError: a recording cannot be read.
    """
    name = recipe_of(model).valid.judge
    report, _ = Evaluator(files, as_classifier(load(name)) if name else None).evaluate(model, seed=seed)
    return {each: take(report) for each, take in public_functions(measures).items() if name or each not in NEED_CLASSIFIER}


def save_comparison(model: Generator, files: Sequence[Path], path: Path, seed: int = 0, overwrite: bool = True) -> None:
    """Draw real spectrograms above generated ones.

    Raises:
        OutputError: the folder cannot be written.
    """
    spread = [files[n] for n in np.linspace(0, len(files) - 1, min(len(files), DOWN * ACROSS)).astype(int)]
    rows = {}
    for name, images in (
        ("real", model.images_of_files(spread)),
        (model.name, model.draw(len(spread), seed)[0]),
    ):
        for number, start in enumerate(range(0, len(images), ACROSS)):
            rows[f"{name} {number + 1}"] = images[start : start + ACROSS, 0].cpu().numpy()
    save_patches(rows, path, overwrite=overwrite)


def rows(
    label: str, model: Generator, files: Sequence[tuple[Path, Path]], fit_on: Sequence[str], load: Loader
) -> dict[str, dict[str, float]]:
    """Figures of a model by its label."""
    return {label: figures(model, [clean for _, clean in files], load)}


def pictures(
    label: str, model: Generator, files: Sequence[tuple[Path, Path]], paths: Sequence[Path], overwrite: bool
) -> None:
    """Draw real spectrograms above generated ones.

    Raises:
        OutputError: the picture cannot be written, or exists and ``overwrite`` is false.
    """
    save_comparison(model, [clean for _, clean in files], paths[0], overwrite=overwrite)
