"""Figures of models that are not measured by how they clean: autoencoders, classifiers and generators."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.autoencoders.autoencoder import Autoencoder
from audioae.autoencoders.evaluation import HeldOut, codes_of, components, figures, held_out, training
from audioae.classifiers.classifier import Classifier
from audioae.data.gather import class_of
from audioae.errors import BundleError, OutputError
from audioae.generators import evaluation as generators
from audioae.generators.generator import Generator
from audioae.modelfile import load
from audioae.plot import save_histogram, save_map, save_patches

Files = Sequence[tuple[Path, Path]]
SHOWN = 8
"""Patches and units in a picture."""
STEPS = (-3, -2, -1, 0, 1, 2, 3)
"""Deviations by which a unit of the code is moved."""


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
        BundleError: another kind of model.
        DataError: no such recordings.
    """
    rows: dict[str, dict[str, float]] = {}
    for label, name in models:
        model = load(name, device)
        if isinstance(model, Classifier):
            rows[label] = {"accuracy": model.accuracy([clean for _, clean in files])}
            continue
        if isinstance(model, Generator):
            rows[label] = generators.figures(model, [clean for _, clean in files], load)
            continue
        if not isinstance(model, Autoencoder):
            raise BundleError(f"{model.name}: is a {model.settings.kind}, which has no codes: give an autoencoder")
        patches = held_out(model, files)
        rows[label] = figures(model, patches)
        if fit_on:
            size = int(rows[label]["code"])
            error = components(model, fit_on, patches, [size])[size]
            rows[f"{size} principal components for {label}"] = {"code": float(size), "reconstruction_error": error}
    return rows


def draw(models: Sequence[tuple[str, str]], files: Files, folder: Path, device: str = "cpu") -> list[Path]:
    """Pictures: of autoencoders patches rebuilt, codes as a map, how active units are, what each unit does; of generators
    what they draw beside what is real.

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
    written = []
    for label, name in models:
        model = load(name, device)
        stem = Path(label).with_suffix("").as_posix().replace("/", "-")
        if isinstance(model, Generator):
            written.append(folder / f"{stem}-beside.png")
            generators.save_beside(model, [clean for _, clean in files], written[-1])
        if isinstance(model, Autoencoder):
            patches = held_out(model, files)
            paths = [folder / f"{stem}-{what}.png" for what in ("rebuilt", "map", "activity", "traversal")]
            _rebuilt(model, patches, paths[0])
            _map(model, patches, files, paths[1])
            codes = codes_of(model, patches)
            save_histogram({label: np.abs(codes).mean(0)}, paths[2], "mean magnitude of a unit over all patches")
            _traversal(model, codes, paths[3])
            written += paths
    return written


def _loudest(patches: HeldOut) -> NDArray[np.int64]:
    """Some patches with more in them than silence, from different recordings where there are as many."""
    loudness = patches.wanted.mean((1, 2)).cpu().numpy()
    best = [max(np.flatnonzero(patches.files == number), key=lambda i: loudness[i]) for number in np.unique(patches.files)]
    return np.array(best[:: max(1, len(best) // SHOWN)][:SHOWN])


def _rebuilt(model: Autoencoder, patches: HeldOut, path: Path) -> None:
    network, some = model.network, torch.from_numpy(_loudest(patches))
    with torch.inference_mode():
        rows = {"wanted": patches.wanted[some], "rebuilt": network.decode(network.encode(patches.given[some]))}
        if training(model).corruption.noise:
            rows = {"heard": patches.given[some], **rows}
    save_patches({name: row.cpu().numpy() for name, row in rows.items()}, path)


def _map(model: Autoencoder, patches: HeldOut, files: Files, path: Path) -> None:
    codes = codes_of(model, patches)
    centred = codes - codes.mean(0)
    plane = np.linalg.svd(centred, full_matrices=False)[2][:2]
    part = training(model).data.label
    classes = [class_of(files[number][1], part) if part is not None else "" for number in patches.files]
    save_map(centred @ plane.T, classes, path, f"{len(codes)} codes of {model.name}")


def _traversal(model: Autoencoder, codes: NDArray[np.float32], path: Path) -> None:
    """The units that vary most, each moved by itself from the mean code."""
    deviation = codes.std(0)
    mean = torch.from_numpy(codes.mean(0))
    rows = {}
    for unit in np.argsort(-deviation)[:SHOWN]:
        moved = mean.repeat(len(STEPS), 1)
        moved[:, unit] += torch.tensor(STEPS) * float(deviation[unit])
        with torch.inference_mode():
            patches = model.network.decode(moved.to(model.device))
        rows[f"unit {unit}"] = patches.cpu().numpy()
    save_patches(rows, path, [f"{step:+d} dev." for step in STEPS])
