"""Measures autoencoders on held-out recordings, compared with principal components of the same size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from audioae.audio.files import read
from audioae.autoencoders import measures
from audioae.autoencoders.autoencoder import Autoencoder
from audioae.autoencoders.gaussian import importance_bound, log_weights
from audioae.autoencoders.stacks import AutoencoderOutput
from audioae.data.gather import Sources, class_of
from audioae.data.mixer import Mixer
from audioae.errors import DataError
from audioae.plot import save_histogram, save_map, save_patches
from audioae.recipe import Recipe, recipe_of
from audioae.settings.registry import public_functions
from audioae.task import Loader

NUDGE = 0.1
"""Standard deviation of the noise on patches for the measure ``code_shift``."""
DRAWS = 64
BATCHES = 300
"""Batches of training patches to which components are fitted."""
SHOWN = 8
"""Patches and units in a picture."""
STEPS = (-3, -2, -1, 0, 1, 2, 3)
"""Steps of a unit of the code in standard deviations."""
PICTURES = ("rebuilt", "map", "activity", "traversal")
"""Names of the pictures of a model."""
Files = Sequence[tuple[Path, Path]]


@dataclass(frozen=True)
class HeldOut:
    """Patches to measure on.

    Attributes:
        given: input patches, ``(M, K, P)``.
        wanted: target patches, ``(M, K, P)``.
        files: index of the recording of each patch, ``(M,)``.
    """

    given: Tensor
    wanted: Tensor
    files: NDArray[np.int64]


def training(model: Autoencoder) -> Recipe:
    """The recipe that the model was trained with, as far as known."""
    return recipe_of(model)


def held_out(model: Autoencoder, files: Sequence[tuple[Path, Path]]) -> HeldOut:
    """The patches of recordings, with the noisy side as the input for models that were trained on noise.

    Raises:
        InputError: a file cannot be read.
    """
    given, wanted, owner = [], [], []
    with torch.no_grad():
        for number, (noisy, clean) in enumerate(files):
            target, rate = _mono(clean)
            source = _mono(noisy)[0] if training(model).corruption.noise else target
            found = model.patches(source, rate)
            given.append(found.values[0])
            wanted.append(model.patches(target, rate, found.level).values[0])
            owner += [number] * len(given[-1])
    return HeldOut(torch.cat(given), torch.cat(wanted), np.array(owner))


def codes_of(model: Autoencoder, patches: HeldOut) -> NDArray[np.float32]:
    """Codes ``(M, D)`` of held-out patches."""
    with torch.no_grad():
        return model.network.encode(patches.given).cpu().numpy()


def figures(model: Autoencoder, patches: HeldOut, seed: int = 0) -> dict[str, float]:
    """All measures of an autoencoder; NaN for measures that do not apply.

    ``code`` is D; ``jacobian_relative`` and ``code_shift`` are relative to the variance of the code, so that they do not
    depend on its scale; ``elbo`` and ``importance_bound`` are in nats per patch.
    """
    network = model.network
    torch.manual_seed(seed)
    with torch.no_grad():
        result: AutoencoderOutput = network.autoencode(patches.given, patches.wanted)
        assert result.code is not None
        spread = float(result.code.var(0).sum())
        moved = network.encode(patches.given + NUDGE * torch.randn_like(patches.given))
        shift = float((moved - result.code).square().sum(1).mean()) / spread
    found = {"code": float(model.settings.code)}
    # Without inference mode, because the Jacobian needs gradients.
    found |= {name: function(result) for name, function in public_functions(measures).items()}
    found["jacobian_relative"] = found["jacobian_norm"] / spread
    found["code_shift"] = shift
    return found | _activity(model, result) | _bounds(model, result)


def components(model: Autoencoder, clean: Sequence[str], patches: HeldOut, sizes: Sequence[int]) -> dict[int, float]:
    """Reconstruction error of principal components by their number, fitted to training patches of the model.

    Args:
        model: the autoencoder, whose recipe says how recordings become patches.
        clean: recordings of its ``data.clean``.
        patches: held-out patches.
        sizes: numbers of components.

    Raises:
        DataError: no recordings, or too few for so many components.
    """
    fitted = fit_components(model, clean, max(sizes))
    flat = patches.wanted.flatten(1).cpu().numpy()
    centred = flat - fitted.mean_
    errors = {}
    for size in sizes:
        directions = fitted.components_[:size]
        errors[size] = float(np.square(centred - centred @ directions.T @ directions).mean())
    return errors


def fit_components(model: Autoencoder, clean: Sequence[str], size: int) -> PCA:
    """Principal components of training patches; see :func:`components`."""
    recipe, network = training(model), model.network
    data = recipe.data.model_copy(update={"clean": tuple(clean)})
    mixer = Mixer(data, recipe.seed, Sources.of(data))
    found = []
    with torch.no_grad():
        for index in range(BATCHES):
            batch = mixer.batch(index, range(data.batch_size))
            spec = model.transform(batch.rate)(batch.clean.to(model.device))[:, 0]
            found.append(network.patches(spec, network.features.level(spec)).flatten(0, 1).flatten(1))
    flat = torch.cat(found).cpu().numpy()
    if len(flat) < 2 * size or flat.shape[1] < size:
        raise DataError(f"{len(flat)} training patches of {flat.shape[1]} numbers are too few for {size} components")
    return PCA(size, svd_solver="covariance_eigh").fit(flat)


def _activity(model: Autoencoder, result: AutoencoderOutput) -> dict[str, float]:
    """Deviation of the mean activity from rho, and standard deviation of the activity over units, relative to rho."""
    names = ("activity_error", "activity_spread")
    term = training(model).losses.get("kl_sparsity")
    if term is None or result.code is None:
        return dict.fromkeys(names, float("nan"))
    rho = float(term.rho)  # type: ignore[attr-defined]
    activity = result.code.mean(0)
    return dict(zip(names, (abs(float(activity.mean()) - rho) / rho, float(activity.std()) / rho), strict=True))


def _bounds(model: Autoencoder, result: AutoencoderOutput) -> dict[str, float]:
    names = ("elbo", "importance_bound", "divergence")
    if result.mean is None or result.log_variance is None:
        return dict.fromkeys(names, float("nan"))
    prior = training(model).losses.get("kl_prior")
    weight = float(prior.weight) if prior is not None else 0.0  # type: ignore[attr-defined]
    # The mean squared error with this weight of the prior term is the bound for a Gaussian of this variance.
    variance = 0.5 * weight * result.target[0].numel() or float((result.output - result.target).square().mean())
    with torch.no_grad():
        decode = model.network.decode
        weights = log_weights(decode, result.mean, result.log_variance, result.target, variance, DRAWS)
        divergence = 0.5 * (result.mean.square() + result.log_variance.exp() - 1 - result.log_variance).sum(1)
    bound = importance_bound(weights)
    return dict(zip(names, (float(weights.mean()), float(bound.mean()), float(divergence.mean())), strict=True))


def _mono(path: Path) -> tuple[Tensor, int]:
    wave, rate = read(path)
    return torch.from_numpy(wave.mean(1, keepdims=True).T.copy()), rate


def rows(label: str, model: Autoencoder, files: Files, fit_on: Sequence[str], load: Loader) -> dict[str, dict[str, float]]:
    """Figures of a model by its label, and of principal components of the same size if training data is given."""
    patches = held_out(model, files)
    found = {label: figures(model, patches)}
    if fit_on:
        size = model.settings.code
        error = components(model, fit_on, patches, [size])[size]
        found[f"{size} principal components for {label}"] = {"code": float(size), "reconstruction_error": error}
    return found


def pictures(label: str, model: Autoencoder, files: Files, paths: Sequence[Path], overwrite: bool) -> None:
    """Draw reconstructed patches, a map of codes, the activity of units, and the effect of each unit.

    Args:
        label: name of the model in the pictures.
        model: the autoencoder.
        files: noisy and clean side of recordings.
        paths: files of the pictures, in the order of :data:`PICTURES`.
        overwrite: replace existing files.

    Raises:
        OutputError: a picture cannot be written, or exists and ``overwrite`` is false.
    """
    patches = held_out(model, files)
    _rebuilt(model, patches, paths[0], overwrite)
    _map(model, patches, files, paths[1], overwrite)
    codes = codes_of(model, patches)
    save_histogram({label: np.abs(codes).mean(0)}, paths[2], "mean magnitude of a unit over all patches", overwrite)
    _traversal(model, codes, paths[3], overwrite)


def _loudest(patches: HeldOut) -> NDArray[np.int64]:
    """The loudest patches of different recordings."""
    loudness = patches.wanted.mean((1, 2)).cpu().numpy()
    best = [max(np.flatnonzero(patches.files == number), key=lambda i: loudness[i]) for number in np.unique(patches.files)]
    return np.array(best[:: max(1, len(best) // SHOWN)][:SHOWN])


def _rebuilt(model: Autoencoder, patches: HeldOut, path: Path, overwrite: bool) -> None:
    network, some = model.network, torch.from_numpy(_loudest(patches))
    with torch.inference_mode():
        rows = {"wanted": patches.wanted[some], "rebuilt": network.decode(network.encode(patches.given[some]))}
        if training(model).corruption.noise:
            rows = {"heard": patches.given[some], **rows}
    save_patches({name: row.cpu().numpy() for name, row in rows.items()}, path, overwrite=overwrite)


def _map(model: Autoencoder, patches: HeldOut, files: Files, path: Path, overwrite: bool) -> None:
    codes = codes_of(model, patches)
    centred = codes - codes.mean(0)
    plane = np.linalg.svd(centred, full_matrices=False)[2][:2]
    part = training(model).data.label
    classes = [class_of(files[number][1], part) if part is not None else "" for number in patches.files]
    save_map(centred @ plane.T, classes, path, f"{len(codes)} codes of {model.name}", overwrite)


def _traversal(model: Autoencoder, codes: NDArray[np.float32], path: Path, overwrite: bool) -> None:
    """Draw the effect of the units with the largest variance, each moved from the mean code."""
    deviation = codes.std(0)
    mean = torch.from_numpy(codes.mean(0))
    rows = {}
    for unit in np.argsort(-deviation)[:SHOWN]:
        moved = mean.repeat(len(STEPS), 1)
        moved[:, unit] += torch.tensor(STEPS) * float(deviation[unit])
        with torch.inference_mode():
            patches = model.network.decode(moved.to(model.device))
        rows[f"unit {unit}"] = patches.cpu().numpy()
    save_patches(rows, path, [f"{step:+d} dev." for step in STEPS], overwrite)
