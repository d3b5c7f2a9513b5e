"""Measures and pictures of autoencoders, classifiers and generators.

The module ``evaluation`` of a family has ``rows``, ``pictures`` and ``PICTURES``, the names of its pictures.
"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from audioae.errors import ModelFileError, OutputError
from audioae.family import every_family
from audioae.modelfile import info, load
from audioae.nn.settings import ModelConfig

Files = Sequence[tuple[Path, Path]]


def tables(
    models: Sequence[tuple[str, str]], files: Files, fit_on: Sequence[str] = (), device: str = "cpu"
) -> dict[str, dict[str, float]]:
    """Figures by model, and of principal components of the same size below each autoencoder.

    Args:
        models: label and what :func:`audioae.load` takes, of autoencoders, classifiers and generators.
        files: noisy and clean side of recordings that they were not trained on.
        fit_on: recordings of the autoencoders' ``data.clean``, to which components are fitted.
        device: device of the models.

    Raises:
        ModelFileError: a denoiser.
        DataError: no such recordings.
    """
    rows: dict[str, dict[str, float]] = {}
    for label, name in models:
        model = load(name, device)
        rows |= _evaluation(model.name, model.settings).rows(label, model, files, fit_on, load)
    return rows


def picture_paths(models: Sequence[tuple[str, str]], folder: Path) -> dict[str, list[Path]]:
    """Files written by :func:`draw`, by the label of the model. Models are not loaded.

    Raises:
        ModelFileError: a denoiser.
    """
    found = {}
    for label, name in models:
        stem = Path(label).with_suffix("").as_posix().replace("/", "-")
        held = info(name)
        found[label] = [folder / f"{stem}-{what}.png" for what in _evaluation(held.name, held.settings).PICTURES]
    return found


def draw(
    models: Sequence[tuple[str, str]], files: Files, folder: Path, device: str = "cpu", overwrite: bool = False
) -> list[Path]:
    """Draw pictures: for autoencoders reconstructed patches, a map of codes, the activity and the effect of units; for
    generators, generated spectrograms below real ones.

    Args:
        models: as in :func:`tables`; classifiers are left out.
        files: as in :func:`tables`.
        folder: folder of the pictures; created if it is missing.
        device: device of the models.
        overwrite: replace existing files.

    Returns:
        The files that were written.

    Raises:
        OutputError: the folder cannot be written, or a picture exists and ``overwrite`` is false.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot make the folder: {error.strerror}") from None
    written = picture_paths(models, folder)
    for label, name in models:
        model = load(name, device)
        _evaluation(model.name, model.settings).pictures(label, model, files, written[label], overwrite)
    return [path for paths in written.values() for path in paths]


def _evaluation(name: str, settings: ModelConfig) -> ModuleType:
    family = every_family()[settings.family]
    if not family.has("evaluation"):
        raise ModelFileError(f"{name}: is a {settings.kind}, which is measured by its sound alone: give --pairs")
    return family.module("evaluation")
