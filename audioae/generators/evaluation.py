"""Measuring generators against recordings that they were not trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audioae.generators import measures
from audioae.generators.generator import Generator
from audioae.generators.listening import Listening, as_judge
from audioae.generators.measures import OF_JUDGE
from audioae.plot import save_patches
from audioae.recipe import recipe_of
from audioae.settings.registry import public_functions
from audioae.task import Loader

ACROSS, DOWN = 10, 3
PICTURES = ("beside",)
"""Names of the pictures of a model."""


def figures(model: Generator, files: Sequence[Path], load: Loader, seed: int = 0) -> dict[str, float]:
    """All measures of as many sounds as there are recordings; those of a judge where the recipe's ``valid`` names one.

    Raises:
        BundleError: not a generator, or its judge is not there.
        InputError: a recording cannot be read.
    """
    judge = recipe_of(model).valid.judge
    report, _ = Listening(files, as_judge(load(judge)) if judge else None).hear(model, seed=seed)
    return {name: take(report) for name, take in public_functions(measures).items() if judge or name not in OF_JUDGE}


def save_beside(model: Generator, files: Sequence[Path], path: Path, seed: int = 0, overwrite: bool = True) -> None:
    """A picture of real spectrograms above drawn ones.

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
        OutputError: the picture cannot be written, or is there already and not to be replaced.
    """
    save_beside(model, [clean for _, clean in files], paths[0], overwrite=overwrite)
