"""Figures of models that are not measured by their sound alone: autoencoders, classifiers and generators.

A family says how in its module ``evaluation``: ``rows`` and ``pictures``.
"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from audioae.errors import BundleError, OutputError
from audioae.family import every_family
from audioae.modelfile import load
from audioae.nn.trained import TrainedModel

Files = Sequence[tuple[Path, Path]]


def tables(
    models: Sequence[tuple[str, str]], files: Files, fit_on: Sequence[str] = (), device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Figures by model, and of principal components of the same size below each autoencoder.

    Args:
        models: label and what :func:`audioae.load` takes, of autoencoders, classifiers and generators.
        files: noisy and clean side of recordings that they were not trained on.
        fit_on: what the autoencoders' ``data.clean`` was, for components; none without it.
        device: where to run.

    Raises:
        BundleError: a denoiser.
        DataError: no such recordings.
    """
    rows: dict[str, dict[str, float]] = {}
    for label, name in models:
        model = load(name, device)
        rows |= _evaluation(model).rows(label, model, files, fit_on, load)
    return rows


def draw(models: Sequence[tuple[str, str]], files: Files, folder: Path, device: str = "cpu") -> list[Path]:
    """Pictures: of autoencoders patches rebuilt, codes as a map, activity of units, what each unit does; of generators
    generated spectrograms below real ones.

    Args:
        models: as in :func:`tables`; classifiers are left out.
        files: as in :func:`tables`.
        folder: where to; it is made if it is not there.
        device: where to run.

    Returns:
        The files that were written.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot make the folder: {error.strerror}") from None
    written: list[Path] = []
    for label, name in models:
        model = load(name, device)
        stem = Path(label).with_suffix("").as_posix().replace("/", "-")
        written += _evaluation(model).pictures(label, model, files, folder / stem)
    return written


def _evaluation(model: TrainedModel) -> ModuleType:
    family = every_family()[model.settings.family]
    if not family.has("evaluation"):
        raise BundleError(f"{model.name}: is a {model.settings.kind}, which is measured by its sound alone: give --pairs")
    return family.module("evaluation")
