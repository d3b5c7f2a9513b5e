"""Model files: one safetensors file with the weights and, in its header, the settings of the model.

The header holds the ``format``, the ``model`` section with its ``kind`` as JSON, the ``recipe`` that the model was trained
with as text, and ``figures``. Only the model's settings are validated; nothing else decides whether a file opens. Names,
shapes and types of all tensors are compared with the settings before memory is allocated for weights. No code in a file is
run; there is no pickle. In files of formats 1 and 2, the model's settings are a part of the recipe.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.overrides import TorchFunctionMode

from audioae.errors import ModelFileError, RecipeError
from audioae.family import every_family
from audioae.nn.settings import ModelConfig
from audioae.nn.trained import TrainedModel
from audioae.recipe import Recipe, recipe_of
from audioae.settings.config import Config, KindSection, parse_known, plain_data
from audioae.settings.registry import model_packages
from audioae.system.atomic import write_file
from audioae.weight_files import identity, locate, names

FORMAT = "audioae model 3"
FORMAT_2 = "audioae bundle 2"
FORMAT_1 = "audioae bundle 1"
"""Bands were counted in bins, and offsets were not removed (:meth:`~audioae.nn.settings.ModelConfig.of_format_1`)."""
FORMATS = (FORMAT, FORMAT_2, FORMAT_1)
STATISTICS = frozenset(
    "running_mean running_var num_batches_tracked mean deviation activity shares centres plane typical".split()
)
"""Last parts of the names of tensors that are computed from data instead of trained, such as BatchNorm statistics."""


@dataclass(frozen=True)
class ModelInfo:
    """Facts about a model file, read from its header without the weights.

    Attributes:
        name: name of a model of the package, or the file's stem.
        path: the file.
        settings: the model's settings.
        recipe_text: the recipe that the model was trained with, as stored in the file.
        figures: measures by name, as stored in the file.
        parameters: number of trained values, without :data:`STATISTICS`.
        latency: largest latency of a stream in seconds.
    """

    name: str
    path: Path
    settings: ModelConfig
    figures: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    latency: float = 0.0
    recipe_text: str = ""

    @property
    def family(self) -> str:
        """Name of the family, such as ``denoisers``."""
        return self.settings.family

    @property
    def purpose(self) -> str:
        """Name of the list of models that this one belongs to: its family, or ``restorers``."""
        return self.settings.purpose

    @property
    def recipe(self) -> Recipe:
        """The recipe that the model was trained with, as far as this version knows it."""
        return recipe_of(self)


def shipped(purpose: str | None = None) -> list[str]:
    """Names of the models in the package, the default first; all, or those of one family, such as ``denoisers``, or
    ``restorers``, which are listed apart."""
    return [name for name in names() if purpose is None or _purpose(*identity(name)) == purpose]


@cache
def _purpose(path: str, *identity: int) -> str:
    return info(path).purpose


def info(name_or_path: str | os.PathLike[str] = "default") -> ModelInfo:
    """Read the header of a model file.

    Raises:
        ModelFileError: not a model file of this package.
    """
    path = locate(name_or_path)
    tensors, header = read_header(path, *FORMATS)
    settings, figures = _understood(path, header)
    parameters = sum(t.numel() for key, t in tensors.items() if key.rpartition(".")[2] not in STATISTICS)
    return ModelInfo(path.stem, path, settings, figures, parameters, settings.latency, header.get("recipe", ""))


def load(name_or_path: str | os.PathLike[str] = "default", device: str = "cpu") -> TrainedModel:
    """A trained model, ready to run, of the class of its family.

    Args:
        name_or_path: a model in the package (``audioae models`` lists them), ``default``, or a model file's path.
        device: where to run: ``cpu``, ``cuda``, ``mps``, or ``auto`` for the best there is.

    Raises:
        ModelFileError: no such model, not a model file, or one whose weights do not fit its settings or are not finite; an
            unknown device.

    >>> load().name
    'conv_dae_offline'
    """
    path, place = locate(name_or_path), pick_device(device)
    built: list[TrainedModel] = []

    def build(found: dict[str, Tensor], header: dict[str, str]) -> None:
        settings, _ = _understood(path, header)
        with (
            torch.device("meta"),
            _WithoutValues(),
        ):  # without memory, because a small file may have settings of a huge network
            model = every_family()[settings.family].model_class(settings, path.stem)
        compare(path, model.network.state_dict(), found, "the weights do not fit the recipe")
        model.recipe_text = header.get("recipe", "")
        built.append(model)

    tensors, _ = load_tensors(path, *FORMATS, check=build)
    model = built[0]
    own = {name: tensors[name].to(value.dtype) for name, value in model.network.state_dict().items()}
    model.network.load_state_dict(own, assign=True)
    return model.eval().requires_grad_(False).to(place)


def pick_device(device: str | torch.device) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps`` to a device that is there.

    Raises:
        ModelFileError: unknown, or not on this machine.
    """
    if device == "auto":
        best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(best)
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError, TypeError, ValueError) as error:
        raise ModelFileError(f"device {str(device)!r} is not available here: use --device auto or cpu") from error
    if chosen.type == "meta":  # the meta device computes nothing
        raise ModelFileError("device 'meta' is not available here: use --device auto or cpu")
    return chosen


def save_model(
    path: str | os.PathLike[str], model: TrainedModel, figures: Mapping[str, float] | None = None, overwrite: bool = True
) -> None:
    """Write a model file atomically, with the model's settings and its recipe.

    Raises:
        OutputError: the folder cannot be written, or the file is there and not to be replaced.
    """
    header = {
        "format": FORMAT,
        "model": json.dumps(model_section(model.settings)),
        "recipe": model.recipe_text,
        "figures": json.dumps(dict(figures or {})),
    }
    save_tensors(path, model.network.state_dict(), header, overwrite)


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], header: dict[str, str], overwrite: bool = True
) -> None:
    """Write tensors and a header of strings to a safetensors file.

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
    """Tensors without values, on the ``meta`` device, and the header of a safetensors file of one of the formats.

    Raises:
        ModelFileError: not such a file.
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
        expected: accepted formats.
        check: called with the result of :func:`read_header`; it raises an error for a file that should not be read.

    Raises:
        ModelFileError: not such a file, or numbers that are not finite.
    """
    with _opened(path) as file:
        found, header = _described(path, file, expected)
        if check is not None:
            check(found, header)
        # Copies, because the file on disk may change.
        tensors = {name: file.get_tensor(name).clone() for name in found}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelFileError(
                f"{path}: {name} holds NaN or infinite numbers: the file is damaged, or its training diverged"
            )
    return tensors, header


def compare(path: str | os.PathLike[str], expected: Mapping[str, Tensor], found: Mapping[str, Tensor], what: str) -> None:
    """Check the names, shapes and types of tensors; floating-point numbers may have any precision.

    Raises:
        ModelFileError: a difference; ``what`` introduces the reason.
    """
    for name, tensor in expected.items():
        if name not in found:
            raise ModelFileError(f"{path}: {what}: {name} is missing")
        other = found[name]
        if other.shape != tensor.shape:
            raise ModelFileError(f"{path}: {what}: {name} is {tuple(other.shape)}, the model has {tuple(tensor.shape)}")
        if other.dtype != tensor.dtype and not (other.is_floating_point() and tensor.is_floating_point()):
            raise ModelFileError(f"{path}: {what}: {name} is {other.dtype}, the model has {tensor.dtype}")
    for name in sorted(found.keys() - expected.keys()):
        raise ModelFileError(f"{path}: {what}: the model has no {name}")


class _WithoutValues(TorchFunctionMode):
    """Skips in-place operations on tensors of the ``meta`` device, such as drawing initial weights. These tensors have no
    values, and for some operations torch would import its compiler, which takes seconds."""

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
    except (SafetensorError, OSError, ValueError, RuntimeError, MemoryError) as error:
        raise ModelFileError(f"{path}: not a safetensors file of audioae ({error})") from error


def _described(
    path: str | os.PathLike[str], file: Any, expected: tuple[str, ...]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    header: dict[str, str] = file.metadata() or {}
    if header.get("format") not in expected:
        raise ModelFileError(f"{path}: not an {expected[0].rsplit(' ', 1)[0]} (its header says {header.get('format')!r})")
    tensors = {}
    for name in list(file.keys()):
        part = file.get_slice(name)
        if part.get_dtype() not in DTYPES:
            raise ModelFileError(f"{path}: {name} holds numbers of type {part.get_dtype()}, which no model here has")
        tensors[name] = torch.empty(part.get_shape(), dtype=DTYPES[part.get_dtype()], device="meta")
    return tensors, header


class _Section(Config):
    """The section of a recipe that is validated when a model file is opened."""

    model: Annotated[ModelConfig, KindSection(*model_packages())]


def model_section(settings: ModelConfig) -> dict[str, Any]:
    """The ``model`` section of a recipe with these settings, as plain data."""
    section: dict[str, Any] = plain_data(_Section(model=settings))["model"]
    return section


def model_settings(text: str, origin: str) -> ModelConfig:
    """The settings in a recipe's section ``model``; the rest of the text is ignored.

    Raises:
        RecipeError: no such section, or a mistake in it.
    """
    return parse_known(_Section, text, origin, "model").model


def _understood(path: Path, header: dict[str, str]) -> tuple[ModelConfig, dict[str, float]]:
    """The model's settings and the figures."""
    try:
        old = header["format"] != FORMAT
        text = header["recipe"] if old else '{"model": ' + header["model"] + "}"
        settings = model_settings(text, str(path))
        if header["format"] == FORMAT_1:
            settings = settings.of_format_1()
        figures = {str(k): float(v) for k, v in json.loads(header.get("figures", "{}")).items()}
    except RecipeError as error:
        mistakes = str(error).splitlines()
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        raise ModelFileError(f"{path}: the model's settings are not those of this version: {mistakes[0]}{more}") from error
    except (KeyError, ValueError, AttributeError, TypeError, ArithmeticError, RecursionError) as error:
        raise ModelFileError(f"{path}: the model file's header is damaged ({type(error).__name__})") from error
    return settings, figures
