"""Model bundles: one safetensors file that holds the weights and, in its header, the whole recipe.

Nothing else is needed to load one, and nothing in it is ever run: there is no pickle. The settings of the model are
validated, and names, shapes and types of all tensors compared with them, before any memory is taken for weights. The other
sections of the recipe do not decide whether a bundle opens.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.overrides import TorchFunctionMode

from audioae.denoisers.denoiser import Denoiser
from audioae.errors import BundleError, RecipeError
from audioae.recipe import PACKAGES, Recipe
from audioae.settings.config import dump
from audioae.settings.registry import did_you_mean, find
from audioae.system.atomic import write_file

FORMAT = "audioae bundle 2"
FORMAT_1 = "audioae bundle 1"
"""Before bands were counted in Hz and offsets taken away (:meth:`~audioae.nn.settings.ModelConfig.of_format_1`)."""
SHIPPED = Path(__file__).parent / "weights"
DEFAULT = "conv_dae_offline"


STATISTICS = frozenset(
    "running_mean running_var num_batches_tracked mean deviation activity shares centres plane typical".split()
)
"""Last parts of the names of tensors that are computed from data, as those of normalisation are, and not trained."""


@dataclass(frozen=True)
class BundleInfo:
    """What a bundle says of itself, read from its header without the weights.

    Attributes:
        name: what :func:`load` knows it by when it ships with the package, else the file's stem.
        path: the file.
        recipe: the recipe that made it, as far as this version knows its settings.
        recipe_text: the whole of it, as it stands in the file.
        figures: measured results by name, as the maker noted them.
        parameters: number of trained values, without :data:`STATISTICS`.
        latency: seconds from the moment that sound is fed to a stream until it is back at the latest, to a sample.
    """

    name: str
    path: Path
    recipe: Recipe
    figures: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    latency: float = 0.0
    recipe_text: str = ""


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


def identity(name_or_path: str | os.PathLike[str]) -> tuple[str, int, int, int]:
    """What changes when a model's file is replaced or written to: path, size, time of the last change and inode.

    Raises:
        BundleError: neither a shipped name nor a file.
    """
    path = locate(name_or_path).resolve()
    facts = path.stat()
    return str(path), facts.st_size, facts.st_mtime_ns, facts.st_ino


def info(name_or_path: str | os.PathLike[str] = "default") -> BundleInfo:
    """Read a bundle's header.

    Raises:
        BundleError: not a bundle of this package.
    """
    path = locate(name_or_path)
    tensors, header = read_header(path, FORMAT, FORMAT_1)
    recipe, figures = _understood(path, header)
    parameters = sum(t.numel() for key, t in tensors.items() if key.rpartition(".")[2] not in STATISTICS)
    return BundleInfo(path.stem, path, recipe, figures, parameters, recipe.model.latency, header["recipe"])


def load(name_or_path: str | os.PathLike[str] = "default", device: str = "cpu") -> Denoiser:
    """A trained model, ready to run.

    Args:
        name_or_path: a model in the package (``audioae models`` lists them), ``default``, or a bundle's path.
        device: where to run: ``cpu``, ``cuda``, ``mps``, or ``auto`` for the best there is.

    Raises:
        BundleError: no such model, not a bundle, or one whose weights do not fit its recipe or are not finite; an unknown
            device.

    >>> load().name
    'conv_dae_offline'
    """
    path, place = locate(name_or_path), pick_device(device)
    built: list[Denoiser] = []

    def build(found: dict[str, Tensor], header: dict[str, str]) -> None:
        recipe, _ = _understood(path, header)
        with torch.device("meta"), _WithoutValues():  # and without memory: the settings of a small file may be huge
            network = find(recipe.model.kind, *PACKAGES).Model(recipe.model)
        compare(path, network.state_dict(), found, "the weights do not fit the recipe")
        built.append(Denoiser(recipe, path.stem, network))

    tensors, _ = load_tensors(path, FORMAT, FORMAT_1, check=build)
    denoiser = built[0]
    own = {name: tensors[name].to(value.dtype) for name, value in denoiser.model.state_dict().items()}
    denoiser.model.load_state_dict(own, assign=True)
    return denoiser.eval().requires_grad_(False).to(place)


def pick_device(device: str | torch.device) -> torch.device:
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
    except (RuntimeError, AssertionError, NotImplementedError, ImportError, TypeError, ValueError) as error:
        raise BundleError(f"device {str(device)!r} is not available here: use --device auto or cpu") from error
    if chosen.type == "meta":  # which computes nothing
        raise BundleError("device 'meta' is not available here: use --device auto or cpu")
    return chosen


def save_bundle(
    path: str | os.PathLike[str], denoiser: Denoiser, figures: Mapping[str, float] | None = None, overwrite: bool = True
) -> None:
    """Write a model with its recipe; the file is there whole or not at all.

    Raises:
        OutputError: the folder cannot be written, or the file is there and not to be replaced.
    """
    header = {"format": FORMAT, "recipe": dump(denoiser.recipe), "figures": json.dumps(dict(figures or {}))}
    save_tensors(path, denoiser.model.state_dict(), header, overwrite)


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: dict[str, str], overwrite: bool = True
) -> None:
    """Tensors and a header of strings to one safetensors file.

    Raises:
        OutputError: the folder cannot be written, or the file is there and not to be replaced.
    """
    write_file(path, save({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, header), overwrite)


DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool},
}
"""Types of numbers in safetensors files."""


def read_header(path: str | os.PathLike[str], *expected: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors without their values, on the ``meta`` device, and the header of a safetensors file of one of the ``expected``
    formats.

    Raises:
        BundleError: anything else.
    """
    with _opened(path) as file:
        return _described(path, file, expected)


def load_tensors(
    path: str | os.PathLike[str],
    *expected: str,
    check: Callable[[dict[str, Tensor], dict[str, str]], None] | None = None,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file of one of the ``expected`` formats.

    Args:
        path: the file.
        expected: what its header may say of its format.
        check: takes what :func:`read_header` gives, and raises an error for what should not be read.

    Raises:
        BundleError: something else, or numbers that are not finite.
    """
    with _opened(path) as file:
        found, header = _described(path, file, expected)
        if check is not None:
            check(found, header)
        # Copies, for the file may change on the disk.
        tensors = {name: file.get_tensor(name).clone() for name in found}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise BundleError(f"{path}: {name} holds NaN or infinite numbers: the file is damaged, or its training diverged")
    return tensors, header


def compare(path: str | os.PathLike[str], expected: Mapping[str, Tensor], found: Mapping[str, Tensor], what: str) -> None:
    """Refuse tensors whose names, shapes or types are not the expected ones; floating-point numbers may have any precision.

    Raises:
        BundleError: they are not; ``what`` introduces the reason.
    """
    for name, tensor in expected.items():
        if name not in found:
            raise BundleError(f"{path}: {what}: {name} is missing")
        other = found[name]
        if other.shape != tensor.shape:
            raise BundleError(f"{path}: {what}: {name} is {tuple(other.shape)}, the model has {tuple(tensor.shape)}")
        if other.dtype != tensor.dtype and not (other.is_floating_point() and tensor.is_floating_point()):
            raise BundleError(f"{path}: {what}: {name} is {other.dtype}, the model has {tensor.dtype}")
    for name in sorted(found.keys() - expected.keys()):
        raise BundleError(f"{path}: {what}: the model has no {name}")


class _WithoutValues(TorchFunctionMode):
    """Leaves out what is done in place to tensors on the ``meta`` device, such as drawing initial weights: they hold no
    numbers, and for some of it torch would import its compiler first, which takes seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        in_place = func.__name__.endswith("_") and not func.__name__.endswith("__")
        kwargs = kwargs or {}
        target = args[0] if args else kwargs.get("tensor")
        if in_place and isinstance(target, Tensor) and target.is_meta:
            return target
        return func(*args, **kwargs)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise BundleError(f"{path}: not a safetensors file of audioae ({error})") from error


def _described(
    path: str | os.PathLike[str], file: Any, expected: tuple[str, ...]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    header: dict[str, str] = file.metadata() or {}
    if header.get("format") not in expected:
        raise BundleError(f"{path}: not an {expected[0].rsplit(' ', 1)[0]} (its header says {header.get('format')!r})")
    tensors = {}
    for name in list(file.keys()):
        part = file.get_slice(name)
        if part.get_dtype() not in DTYPES:
            raise BundleError(f"{path}: {name} holds numbers of type {part.get_dtype()}, which no model here has")
        tensors[name] = torch.empty(part.get_shape(), dtype=DTYPES[part.get_dtype()], device="meta")
    return tensors, header


def _understood(path: Path, header: dict[str, str]) -> tuple[Recipe, dict[str, float]]:
    """The recipe, as far as this version knows it, and the figures."""
    try:
        recipe = Recipe.of_file(header["recipe"], str(path))
        if header["format"] == FORMAT_1:
            recipe = recipe.model_copy(update={"model": recipe.model.of_format_1()})
        figures = {str(k): float(v) for k, v in json.loads(header.get("figures", "{}")).items()}
    except RecipeError as error:
        mistakes = str(error).splitlines()
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        raise BundleError(f"{path}: the model's settings are not those of this version: {mistakes[0]}{more}") from error
    except (KeyError, ValueError, AttributeError, TypeError, ArithmeticError, RecursionError) as error:
        raise BundleError(f"{path}: the bundle's header is damaged ({type(error).__name__})") from error
    return recipe, figures
