"""Loads models, to be run by torch or by onnxruntime. torch is imported only for models that it runs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from audioae.errors import ModelFileError
from audioae.nn.streaming import Streaming
from audioae.runtime.onnx_run import FileGraphs, OnnxDenoiser

if TYPE_CHECKING:
    from audioae.autoencoders.autoencoder import Autoencoder
    from audioae.classifiers.classifier import Classifier
    from audioae.denoisers.denoiser import Denoiser
    from audioae.generators.generator import Generator
    from audioae.nn.trained import TrainedModel

BACKENDS = ("torch", "onnx")
Kind = TypeVar("Kind", bound="TrainedModel")
Loaded = TypeVar("Loaded", bound="TrainedModel | OnnxDenoiser")
LACKS = {
    "Autoencoder": "has no codes: give an autoencoder",
    "Classifier": "does not classify: give a classifier",
    "Denoiser": "does not remove noise: give a denoiser",
    "Generator": "does not generate sounds: give a generator",
}
"""Messages about a model of another family, by the requested class."""
AnyModel: TypeAlias = "Denoiser | Autoencoder | Generator | Classifier | OnnxDenoiser"
Source: TypeAlias = str | os.PathLike[str]


@overload
def load(
    name_or_path: Source = "default", device: str = "cpu", *, backend: Literal["onnx"], family: None = None
) -> OnnxDenoiser: ...
@overload
def load(
    name_or_path: Literal["default"] = "default",
    device: str = "cpu",
    backend: Literal["torch"] = "torch",
    family: None = None,
) -> "Denoiser": ...
@overload
def load(name_or_path: Source, device: str = "cpu", backend: str = "torch", *, family: type[Kind]) -> Kind: ...
@overload
def load(name_or_path: Loaded, device: str = "cpu", backend: str = "torch", family: None = None) -> Loaded: ...
@overload
def load(name_or_path: Source, device: str = "cpu", backend: str = "torch", family: None = None) -> AnyModel: ...
def load(
    name_or_path: "Source | TrainedModel | OnnxDenoiser" = "default",
    device: str = "cpu",
    backend: str = "torch",
    family: "type[TrainedModel] | None" = None,
) -> "TrainedModel | OnnxDenoiser":
    """A trained model, ready to run, of the class of its family. Files of ``audioae export`` are run by onnxruntime.

    With ``backend="onnx"`` torch is needed only when a model is used at a sample rate for the first time: to export it,
    which takes some seconds. Exported networks are kept in the user's cache folder (``$XDG_CACHE_HOME/audioae``, by default
    ``~/.cache/audioae``; on Windows ``%LOCALAPPDATA%/audioae``).

    Args:
        name_or_path: a model in the package (``audioae models`` lists them), ``default``, or the path of a model file
            or ``.onnx`` file; a loaded model is returned unchanged.
        device: device of torch: ``cpu``, ``cuda``, ``mps``, or ``auto`` for the best there is.
        backend: ``torch``, or ``onnx`` for onnxruntime, on the CPU, which gives an ``OnnxDenoiser``.
        family: :class:`Denoiser`, :class:`Autoencoder`, :class:`Generator` or :class:`Classifier`, to accept no other.

    Raises:
        ModelFileError: no such model or device, one of another family, or a model that onnxruntime cannot run.
        MissingExtraError: onnxruntime is not installed.

    >>> load().name
    'conv_dae_offline'
    """
    model = _load(name_or_path, device, backend) if isinstance(name_or_path, str | os.PathLike) else name_or_path
    return model if family is None else of_family(model, family)


def of_family(model: "TrainedModel | OnnxDenoiser", family: type[Kind]) -> Kind:
    """Check the class of a model.

    Raises:
        ModelFileError: the model is of another family, or run by onnxruntime.
    """
    if isinstance(model, family):
        return model
    if isinstance(model, OnnxDenoiser):
        raise ModelFileError(f"{model.name}: is an exported denoiser: load the model itself, with torch")
    why = LACKS.get(family.__name__, LACKS["Denoiser"])
    raise ModelFileError(f"{model.name}: is a {model.settings.kind}, which {why}")


def resolved(model: "Source | TrainedModel", family: type[Kind], device: str = "cpu") -> Kind:
    """The model for a name, a path or a loaded model.

    Raises:
        ModelFileError: no such model or device, or a model of another family.
    """
    return of_family(_load(model, device, "torch") if isinstance(model, str | os.PathLike) else model, family)


def streaming(
    model: "Source | TrainedModel | Streaming[Any]", device: str = "cpu", backend: str = "torch"
) -> Streaming[Any]:
    """The model for a name, a path or a loaded model, if it takes waves to waves.

    Raises:
        ModelFileError: no such model or device, or a model that does not take waves to waves.
    """
    found = _load(model, device, backend) if isinstance(model, str | os.PathLike) else model
    if isinstance(found, Streaming):
        return found
    from audioae.nn.trained import StreamingModel

    return of_family(found, StreamingModel)


def _load(name_or_path: Source, device: str, backend: str) -> "TrainedModel | OnnxDenoiser":
    path = Path(name_or_path)
    from_file = path.suffix.lower() == ".onnx" and path.is_file()
    if backend == "torch" and not from_file:
        from audioae import modelfile

        return modelfile.load(name_or_path, device)
    if backend not in BACKENDS:
        raise ModelFileError(f"backend {backend!r}: give {' or '.join(BACKENDS)}")
    if device not in ("auto", "cpu"):
        raise ModelFileError(f"device {device!r}: onnxruntime runs models on the CPU here: use --device auto or cpu")
    if from_file:
        return OnnxDenoiser(path.stem, FileGraphs(path))
    from audioae.runtime.onnx_cache import CachedGraphs

    graphs = CachedGraphs(name_or_path)
    return OnnxDenoiser(graphs.name, graphs)
