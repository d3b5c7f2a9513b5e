"""Loads models, and runs denoisers by onnxruntime with the same interface as by torch."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from audioae import modelfile
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import InputError, MissingExtraError, ModelFileError, RecipeError
from audioae.nn.trained import SpectralNetwork, State, TrainedModel
from audioae.runtime.onnx_export import READ, WAVES, onnx_bytes
from audioae.signal.framing import HOP_SECONDS, MAX_RATE, MIN_RATE, window_length

if TYPE_CHECKING:
    from audioae.autoencoders.autoencoder import Autoencoder
    from audioae.classifiers.classifier import Classifier
    from audioae.generators.generator import Generator

BACKENDS = ("torch", "onnx")
ROOM = 64
"""Free rows of a short :class:`Queue`."""


class Queue:
    """A state of a stream: its last rows ``(B, T, ...)``, one or several per frame, with free memory behind them.

    New rows are appended without moving the others. Moving them would take a quarter of a frame's time, because the state
    hardly fits into the processor's caches.

    Args:
        rows: the first state; it is copied.
    """

    def __init__(self, rows: np.ndarray) -> None:
        batch, self.length, *rest = rows.shape
        self.memory = np.empty((batch, 2 * self.length + ROOM, *rest), np.float32)
        self.memory[:, : self.length] = rows
        self.end, self.joined = self.length, 0

    @property
    def held(self) -> np.ndarray:
        """The last rows, a view of the memory."""
        return self.memory[:, self.end - self.length : self.end]

    def push(self, new: np.ndarray) -> None:
        """Append rows ``(B, n, ...)`` and drop as many of the oldest."""
        count = new.shape[1]
        if self.end + count > self.memory.shape[1]:
            self.memory, held = np.empty_like(self.memory), self.held
            self.memory[:, : self.length], self.end = held, self.length
        self.memory[:, self.end : self.end + count] = new
        self.end, self.joined = self.end + count, self.joined + count


class Queues:
    """The queues behind the state tensors of a model, so that a state is continued without a copy."""

    def __init__(self) -> None:
        self._known = WeakTensorKeyDictionary()

    def of(self, state: Tensor) -> Queue:
        """The queue whose last rows a tensor is, or a new one that begins with its values."""
        queue, joined = self._known.get(state, (None, 0))
        # After later rows have joined, the tensor is an earlier state, from which the stream may be continued differently.
        return queue if queue is not None and queue.joined == joined else Queue(state.numpy())

    def tensor(self, queue: Queue) -> Tensor:
        """The last rows of a queue as a tensor that :meth:`of` knows. It shares the memory, so it must not be written to."""
        tensor = torch.from_numpy(queue.held)
        self._known[tensor] = queue, queue.joined
        return tensor


class OnnxModel(SpectralNetwork):
    """A network that onnxruntime runs; with one session for each number of bins.

    Args:
        denoiser: the model to export for further numbers of bins; None to support only the given files.
        delay: delay of the output in frames.
        files: contents of ONNX files by their number of bins.
        sizes: hop and window in seconds, by which the number of bins determines the rate.
        sessions: open sessions by their number of bins.
    """

    def __init__(
        self,
        denoiser: Denoiser | None,
        delay: int,
        files: dict[int, bytes],
        sizes: tuple[float, float] = (HOP_SECONDS, 2 * HOP_SECONDS),
        sessions: Mapping[int, Any] = {},
    ) -> None:
        super().__init__()
        # In a tuple, so that its weights do not become parameters of this module.
        self.source, self.delay, self.files = (denoiser,), delay, files
        self.sizes = sizes
        self._sessions: dict[int, Any] = dict(sessions)
        self._queues = Queues()
        self._process = os.getpid()
        self.register_buffer("place", torch.zeros(0))
        self.receptive_field = denoiser.network.receptive_field if denoiser else None

    def session(self, bins: int) -> Any:
        """The session for a number of bins.

        Raises:
            InputError: the file is for another rate.
        """
        if self._process != os.getpid():  # the threads of a session do not exist in a forked process
            self._sessions, self._process = {}, os.getpid()
        if bins not in self.files:
            denoiser = self.source[0]
            if denoiser is None:
                own, wanted = (rate_of(count, *self.sizes) for count in (next(iter(self.files)), bins))
                raise InputError(f"the ONNX file is for {own} Hz: export one with --rate {wanted}")
            self.files[bins] = onnx_bytes(denoiser, rate_of(bins, *self.sizes))
        if bins not in self._sessions:
            self._sessions[bins] = open_session(self.files[bins])
        return self._sessions[bins]

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies: sessions are opened again when they are needed."""
        return self.__dict__ | {"_sessions": {}, "_queues": Queues()}

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""
        sizes = {"batch": batch, "channels": channels}
        return {
            each.name: torch.zeros([sizes.get(size, size) for size in each.shape])
            for each in self.session(bins).get_inputs()[1:]
        }

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it."""
        session = self.session(spec.shape[2])
        frames = np.ascontiguousarray(spec.numpy().transpose(3, 0, 1, 2))[..., None].view(np.float32)
        queues = {name: self._queues.of(tensor) for name, tensor in state.items()}
        made = []
        for frame in frames:
            clean, *new = session.run(None, {"spectrum": frame, **{name: queue.held for name, queue in queues.items()}})
            for queue, entering in zip(queues.values(), new, strict=True):
                queue.push(entering)
            made.append(clean.view(np.complex64))
        result = np.concatenate(made, axis=-1) if len(made) != 1 else made[0]
        return torch.from_numpy(result), {name: self._queues.tensor(queue) for name, queue in queues.items()}


Kind = TypeVar("Kind", bound=TrainedModel)
LACKS = {
    "Autoencoder": "has no codes: give an autoencoder",
    "Classifier": "names no classes: give a classifier",
    "Denoiser": "cleans nothing: give a denoiser",
    "Generator": "draws no sounds: give a generator",
}
"""Messages about a model of another family, by the requested class."""
AnyModel: TypeAlias = "Denoiser | Autoencoder | Generator | Classifier"
Source: TypeAlias = str | os.PathLike[str]


@overload
def load(
    name_or_path: Literal["default"] = "default", device: str = "cpu", backend: str = "torch", family: None = None
) -> Denoiser: ...
@overload
def load(name_or_path: Source, device: str = "cpu", backend: str = "torch", *, family: type[Kind]) -> Kind: ...
@overload
def load(name_or_path: Kind, device: str = "cpu", backend: str = "torch", family: None = None) -> Kind: ...
@overload
def load(name_or_path: Source, device: str = "cpu", backend: str = "torch", family: None = None) -> AnyModel: ...
def load(
    name_or_path: Source | TrainedModel = "default",
    device: str = "cpu",
    backend: str = "torch",
    family: type[TrainedModel] | None = None,
) -> TrainedModel:
    """A trained model, ready to run, of the class of its family. Files of ``audioae export`` are run by onnxruntime.

    Args:
        name_or_path: a model in the package (``audioae models`` lists them), ``default``, or the path of a model file
            or ``.onnx`` file; a loaded model is returned unchanged.
        device: device of torch: ``cpu``, ``cuda``, ``mps``, or ``auto`` for the best there is.
        backend: ``torch``, or ``onnx`` for onnxruntime, on the CPU.
        family: :class:`Denoiser`, :class:`Autoencoder`, :class:`Generator` or :class:`Classifier`, to accept no other.

    Raises:
        ModelFileError: no such model or device, one of another family, or a model that onnxruntime cannot run.
        MissingExtraError: onnxruntime is not installed.

    >>> load().name
    'conv_dae_offline'
    """
    model = name_or_path if isinstance(name_or_path, TrainedModel) else _load(name_or_path, device, backend)
    return of_family(model, family or TrainedModel)


def of_family(model: TrainedModel, family: type[Kind]) -> Kind:
    """Check the class of a model.

    Raises:
        ModelFileError: the model is of another family.
    """
    if isinstance(model, family):
        return model
    why = LACKS.get(family.__name__, LACKS["Denoiser"])
    raise ModelFileError(f"{model.name}: is a {model.settings.kind}, which {why}")


def resolved(model: "Source | TrainedModel", family: type[Kind], device: str = "cpu") -> Kind:
    """The model for a name, a path or a loaded model.

    Raises:
        ModelFileError: no such model or device, or a model of another family.
    """
    return of_family(model if isinstance(model, TrainedModel) else _load(model, device, "torch"), family)


def _load(name_or_path: Source, device: str, backend: str) -> TrainedModel:
    path = Path(name_or_path)
    from_file = path.suffix.lower() == ".onnx" and path.is_file()
    if backend == "torch" and not from_file:
        return modelfile.load(name_or_path, device)
    if backend not in BACKENDS:
        raise ModelFileError(f"backend {backend!r}: give {' or '.join(BACKENDS)}")
    if device not in ("auto", "cpu"):
        raise ModelFileError(f"device {device!r}: onnxruntime runs models on the CPU here: use --device auto or cpu")
    if from_file:
        return _from_file(path)
    return _exported(of_family(modelfile.load(name_or_path), Denoiser)).eval()


def _exported(denoiser: Denoiser) -> Denoiser:
    denoiser.check_precision()
    settings = denoiser.settings
    if denoiser.members:
        members = [_exported(member) for member in denoiser.members]
        return Denoiser(settings, denoiser.name, SpectralNetwork(), members)
    sizes = settings.hop_seconds, settings.window_seconds
    return Denoiser(settings, denoiser.name, OnnxModel(denoiser, denoiser.network.delay, {}, sizes))


def rate_of(bins: int, hop_seconds: float = HOP_SECONDS, window_seconds: float = 2 * HOP_SECONDS) -> int:
    """The sample rate for a number of bins; of several rates the one nearest to the value without rounding.

    >>> rate_of(769), rate_of(267, 0.016, 0.048)
    (48000, 11094)
    """
    about = round(2 * (bins - 1) / window_seconds)
    near = [rate for rate in range(about - 500, about + 501) if MIN_RATE <= rate <= MAX_RATE]
    fitting = [rate for rate in near if window_length(rate, hop_seconds, window_seconds) == 2 * (bins - 1)]
    return min(fitting or [min(MAX_RATE, max(MIN_RATE, about))], key=lambda rate: abs(rate - about))


def open_session(model: bytes | str) -> Any:
    """An inference session of an ONNX model, by its contents or its path.

    It runs in the calling thread, because a frame is too little work for several threads.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelFileError: not an ONNX file.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("ONNX files are run by onnxruntime: pip install 'audioae[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # errors of onnxruntime have no common base class
        what = model if isinstance(model, str) else "model"
        raise ModelFileError(f"{what}: not an ONNX file that onnxruntime runs ({str(error).splitlines()[0]})") from error


def _from_file(path: Path) -> Denoiser:
    session = open_session(str(path))
    facts = session.get_modelmeta().custom_metadata_map
    if facts.get("format") == WAVES:
        raise ModelFileError(
            f"{path}: takes samples (export --waves), for programs without audioae: give the model itself, with "
            "--backend onnx for onnxruntime, or export it without --waves"
        )
    if facts.get("format") not in READ:
        raise ModelFileError(
            f"{path}: not a file of `audioae export`, or of another version's (its metadata say {facts.get('format')!r}): "
            "export the model again"
        )
    try:
        text = '{"model": ' + facts["model"] + "}" if "model" in facts else facts["recipe"]
        settings, rate, delay = modelfile.model_settings(text, str(path)), int(facts["rate"]), int(facts["delay"])
    except (RecipeError, KeyError, ValueError) as error:
        raise ModelFileError(f"{path}: the file's metadata are damaged ({str(error).splitlines()[0]})") from error
    if settings.family != "denoisers" or delay != settings.delay:
        raise ModelFileError(f"{path}: the file's metadata are damaged (a delay of {delay} frames)")
    sizes = settings.hop_seconds, settings.window_seconds
    bins = window_length(rate, *sizes) // 2 + 1
    model = OnnxModel(None, delay, {bins: path.read_bytes()}, sizes, {bins: session})
    return Denoiser(settings, path.stem, model).eval()
