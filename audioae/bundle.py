"""Model bundles: one safetensors file that holds the weights and, in its header, the whole recipe.

Nothing else is needed to load one, and nothing in it is ever run: no pickle, and the recipe is validated like any other.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from audioae.config import dump, parse
from audioae.denoiser import Denoiser
from audioae.errors import BundleError, OutputError, RecipeError
from audioae.recipe import Recipe
from audioae.registry import did_you_mean

FORMAT = "audioae bundle 2"
FORMAT_1 = "audioae bundle 1"
"""Before bands were counted in Hz and offsets taken away (:meth:`~audioae.models._config.ModelConfig.of_format_1`)."""
SHIPPED = Path(__file__).parent / "weights"
DEFAULT = "conv_dae_offline"


@dataclass(frozen=True)
class BundleInfo:
    """What a bundle says of itself, read from its header without the weights.

    Attributes:
        name: what :func:`load` knows it by when it ships with the package, else the file's stem.
        path: the file.
        recipe: the whole recipe that made it.
        figures: measured results by name, as the maker noted them.
        parameters: number of trained values.
        latency: seconds from the moment that sound is fed to a stream until it is back at the latest, to a sample.
    """

    name: str
    path: Path
    recipe: Recipe
    figures: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    latency: float = 0.0


def shipped(family: str | None = None) -> list[str]:
    """Names of the models in the package, the default first; all, or those of ``waves``, ``codes`` or ``labels``."""
    names = sorted(p.stem for p in SHIPPED.glob("*.safetensors"))
    return sorted(
        (name for name in names if family is None or info(name).recipe.family == family), key=lambda name: name != DEFAULT
    )


def locate(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a shipped model's name, of ``default``, or of a path.

    Raises:
        BundleError: neither a shipped name nor a file.
    """
    text = os.fspath(name_or_path)
    known = shipped()
    if text == "default":
        text = DEFAULT
    if text in known:
        return SHIPPED / f"{text}.safetensors"
    path = Path(text)
    if path.is_file():
        return path
    what = "is a folder, not a bundle" if path.is_dir() else "is neither a model in the package nor a file"
    raise BundleError(f"{text}: {what} (in the package: {', '.join(known) or 'none'}){did_you_mean(text, known)}")


def info(name_or_path: str | os.PathLike[str] = "default") -> BundleInfo:
    """Read a bundle's header.

    Raises:
        BundleError: not a bundle of this package.
    """
    path = locate(name_or_path)
    recipe, figures, tensors = _read(path, weights=False)
    parameters = sum(t.numel() for t in tensors.values())
    return BundleInfo(path.stem, path, recipe, figures, parameters, recipe.model.latency)


def load(name_or_path: str | os.PathLike[str] = "default", device: str = "cpu") -> Denoiser:
    """A trained model, ready to run.

    Args:
        name_or_path: a model in the package (``audioae models`` lists them), ``default``, or a bundle's path.
        device: where to run: ``cpu``, ``cuda``, ``mps``, or ``auto`` for the best there is.

    Raises:
        BundleError: no such model, not a bundle, or one whose weights do not fit its recipe; an unknown device.

    >>> load().name
    'conv_dae_offline'
    """
    path = locate(name_or_path)
    recipe, _, tensors = _read(path, weights=True)
    denoiser = Denoiser(recipe, path.stem)
    expected = denoiser.model.state_dict()
    for name, tensor in expected.items():
        if name not in tensors:
            raise BundleError(f"{path}: the weights do not fit the recipe: {name} is missing")
        if tensors[name].shape != tensor.shape:
            raise BundleError(
                f"{path}: the weights do not fit the recipe: {name} is {tuple(tensors[name].shape)}, "
                f"the model has {tuple(tensor.shape)}"
            )
    for name in tensors.keys() - expected.keys():
        raise BundleError(f"{path}: the weights do not fit the recipe: the model has no {name}")
    denoiser.model.load_state_dict(tensors)
    return denoiser.eval().requires_grad_(False).to(pick_device(device))


def pick_device(device: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` to a device that is there.

    Raises:
        BundleError: unknown, or not on this machine.
    """
    if device == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BundleError(f"device {device!r} is not available here: use --device auto or cpu") from error
    return chosen


def save_bundle(path: str | os.PathLike[str], denoiser: Denoiser, figures: Mapping[str, float] | None = None) -> None:
    """Write a model with its recipe; the file is replaced whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    header = {"format": FORMAT, "recipe": dump(denoiser.recipe), "figures": json.dumps(dict(figures or {}))}
    save_tensors(path, denoiser.model.state_dict(), header)


def save_tensors(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: dict[str, str]) -> None:
    """Tensors and a header of strings to one safetensors file, through a temporary one beside it.

    Raises:
        OutputError: the folder cannot be written.
    """
    replace_file(path, save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, header))


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file through a temporary one beside it, so that it is replaced whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    target = Path(path)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot write: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def load_tensors(
    path: str | os.PathLike[str], *expected: str, weights: bool = True
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file whose header says that it is of one of the ``expected`` formats.

    Raises:
        BundleError: anything else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if weights:
                tensors = {name: file.get_tensor(name) for name in list(file.keys())}
            else:
                tensors = {name: torch.empty(file.get_slice(name).get_shape(), device="meta") for name in list(file.keys())}
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"{path}: not a safetensors file of audioae ({error})") from error
    if header.get("format") not in expected:
        raise BundleError(f"{path}: not an {expected[0].rsplit(' ', 1)[0]} (its header says {header.get('format')!r})")
    return tensors, header


def _read(path: Path, weights: bool) -> tuple[Recipe, dict[str, float], dict[str, Tensor]]:
    tensors, header = load_tensors(path, FORMAT, FORMAT_1, weights=weights)
    try:
        recipe = parse(Recipe, header["recipe"], str(path))
        if header["format"] == FORMAT_1:
            recipe = recipe.model_copy(update={"model": recipe.model.of_format_1()})
        figures = {str(k): float(v) for k, v in json.loads(header.get("figures", "{}")).items()}
    except RecipeError as error:
        raise BundleError(f"{path}: the recipe in the bundle is not one of this version: {error}") from error
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise BundleError(f"{path}: the bundle's header is damaged ({error!r})") from error
    return recipe, figures, tensors
