"""Measuring generators against recordings that they were not trained on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audioae.classifiers.judge import Judge
from audioae.denoisers.denoiser import Denoiser
from audioae.generators.listening import Listening
from audioae.generators.sounds import drawn, images_of_files
from audioae.measures.table import OF_JUDGE, SOUND_MEASURES
from audioae.modelfile import load
from audioae.plot import save_patches

ACROSS, DOWN = 10, 3


def figures(denoiser: Denoiser, files: Sequence[Path], seed: int = 0) -> dict[str, float]:
    """All measures of as many sounds as there are recordings; those of a judge where the recipe's ``valid`` names one.

    Raises:
        BundleError: not a generator, or its judge is not there.
        InputError: a recording cannot be read.
    """
    judge = getattr(denoiser.recipe.valid, "judge", "")
    beside, _ = Listening(files, Judge(load(judge)) if judge else None).hear(denoiser, seed=seed)
    return {name: take(beside) for name, take in SOUND_MEASURES.items() if judge or name not in OF_JUDGE}


def save_beside(denoiser: Denoiser, files: Sequence[Path], path: Path, seed: int = 0) -> None:
    """A picture of real spectrograms above drawn ones.

    Raises:
        OutputError: the folder cannot be written.
    """
    spread = [files[n] for n in np.linspace(0, len(files) - 1, min(len(files), DOWN * ACROSS)).astype(int)]
    rows = {}
    for name, images in (
        ("real", images_of_files(denoiser, spread)),
        (denoiser.name, drawn(denoiser, len(spread), seed)[0]),
    ):
        for number, start in enumerate(range(0, len(images), ACROSS)):
            rows[f"{name} {number + 1}"] = images[start : start + ACROSS, 0].cpu().numpy()
    save_patches(rows, path)
