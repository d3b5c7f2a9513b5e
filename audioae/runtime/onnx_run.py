"""Runs denoisers by onnxruntime, in the engine that also runs them by torch. torch is not imported."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audioae.audio.layout import AnyWave, Audio
from audioae.errors import InputError, MissingExtraError, ModelFileError, RecipeError
from audioae.nn.streaming import Part, Streaming
from audioae.signal.arrays import as_array
from audioae.signal.framing import Framing, hop_length

FORMAT = "audioae onnx 3"
READ = ("audioae onnx 2", FORMAT)
"""Supported formats of files that process spectra; the file lists its states."""
WAVES = "audioae onnx waves 1"
"""Format of files that process samples."""
Samples = NDArray[np.float32]
State = dict[str, Samples]
SHORTEST_HOP, LONGEST_WINDOW = 1e-3, 1.0
"""Seconds; other metadata are damaged."""
ROOM = 64
"""Free rows of a short :class:`Queue`."""


class Rows(np.ndarray):
    """The last rows of a :class:`Queue`, which continues them without a copy. They share its memory, so they must not be
    written to."""

    queue: "Queue | None" = None
    joined: int = 0


class Queue:
    """A state of a stream: its last rows ``(B, T, ...)``, one or several per frame, with free memory behind them.

    New rows are appended without moving the others. Moving them would take a quarter of a frame's time, because the state
    hardly fits into the processor's caches.

    Args:
        rows: the first state; it is copied.
    """

    def __init__(self, rows: Samples) -> None:
        batch, self.length, *rest = rows.shape
        self.memory = np.empty((batch, 2 * self.length + ROOM, *rest), np.float32)
        self.memory[:, : self.length] = rows
        self.end, self.joined = self.length, 0

    @classmethod
    def of(cls, state: Samples) -> "Queue":
        """The queue whose last rows a state is, or a new one that begins with its values."""
        # After later rows have joined, the state is an earlier one, from which the stream may be continued differently.
        if isinstance(state, Rows) and state.queue is not None and state.queue.joined == state.joined:
            return state.queue
        return cls(state)

    @property
    def held(self) -> Samples:
        """The last rows, a view of the memory."""
        return self.memory[:, self.end - self.length : self.end]

    @property
    def rows(self) -> Rows:
        """The last rows, which :meth:`of` recognises as this queue's."""
        rows = self.held.view(Rows)
        rows.queue, rows.joined = self, self.joined
        return rows

    def push(self, new: Samples) -> None:
        """Append rows ``(B, n, ...)`` and drop as many of the oldest."""
        count = new.shape[1]
        if self.end + count > self.memory.shape[1]:
            self.memory, held = np.empty_like(self.memory), self.held
            self.memory[:, : self.length], self.end = held, self.length
        self.memory[:, self.end : self.end + count] = new
        self.end, self.joined = self.end + count, self.joined + count


class OnnxNetwork:
    """A network that onnxruntime runs at one rate, frame by frame.

    Args:
        model: contents of a file of ``audioae export``.
        origin: where it is from, for messages.

    Attributes:
        facts: the file's metadata.
        rate: Hz.
        sizes: hop and window in seconds.
        framing: the transform.
        delay: delay of the output in frames.
        receptive_field: number of frames that an output frame depends on; None if unbounded or not stated in the file.

    Raises:
        ModelFileError: not a file of ``audioae export`` that takes spectra.
        MissingExtraError: onnxruntime is not installed.
    """

    def __init__(self, model: bytes, origin: str) -> None:
        self.model, self.origin = model, origin
        self._opened: tuple[int, Any] | None = None
        self.facts: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        found = self.facts.get("format")
        if found == WAVES:
            raise ModelFileError(
                f"{origin}: takes samples (export --waves), for programs without audioae: give the model itself, with "
                "--backend onnx for onnxruntime, or export it without --waves"
            )
        if found not in READ:
            raise ModelFileError(
                f"{origin}: not a file of `audioae export`, or of another version's (its metadata say {found!r}): "
                "export the model again"
            )
        try:
            self.rate, self.delay = int(self.facts["rate"]), int(self.facts["delay"])
            self.sizes = self._sizes()
            self.framing = Framing(self.rate, *self.sizes)
            hop = int(self.facts.get("hop", self.framing.hop))
            field = self.facts.get("receptive_field")
            self.receptive_field = int(field) // self.framing.hop - self.framing.late if field else None
        except (RecipeError, InputError, KeyError, ValueError, ArithmeticError) as error:
            raise ModelFileError(f"{origin}: the file's metadata are damaged ({str(error).splitlines()[0]})") from error
        spectrum, *states = self.session.get_inputs()
        self.states, bins = [each.name for each in states], spectrum.shape[2]
        if self.delay < 0 or (bins, hop) != (self.framing.bins, self.framing.hop):
            raise ModelFileError(f"{origin}: the file's metadata are damaged (a delay of {self.delay} frames, {bins} bins)")

    def _sizes(self) -> tuple[float, float]:
        """Hop and window in seconds."""
        if "hop_seconds" in self.facts:
            hop, window = float(self.facts["hop_seconds"]), float(self.facts["window_seconds"])
            if not SHORTEST_HOP <= hop <= window <= LONGEST_WINDOW:
                raise ValueError(f"a hop of {hop:g} s and a window of {window:g} s")
            return hop, window
        # Files of earlier versions hold them as settings of the model, which only its own class understands.
        from audioae.modelfile import model_settings

        text = '{"model": ' + self.facts["model"] + "}" if "model" in self.facts else self.facts["recipe"]
        settings = model_settings(text, self.origin)
        if settings.family != "denoisers" or self.delay != settings.delay:
            raise ValueError(f"a delay of {self.delay} frames")
        return settings.hop_seconds, settings.window_seconds

    @property
    def session(self) -> Any:
        """The session of this process; the threads of a session do not exist in a forked process."""
        opened = self._opened
        if opened is None or opened[0] != os.getpid():
            opened = self._opened = os.getpid(), open_session(self.model, self.origin)
        return opened[1]

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle and copies, without the session, which is opened again when it is needed."""
        return self.__dict__ | {"_opened": None}

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""
        sizes = {"batch": batch, "channels": channels}
        return {
            each.name: np.zeros([sizes.get(size, size) for size in each.shape], np.float32)
            for each in self.session.get_inputs()[1:]
        }

    def __call__(self, spec: Any, state: State) -> tuple[Any, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it."""
        run = self.session.run
        frames = np.ascontiguousarray(spec.transpose(3, 0, 1, 2))[..., None].view(np.float32)
        queues = {name: Queue.of(state[name]) for name in self.states}  # in the order of the results
        made = []
        for frame in frames:
            clean, *new = run(None, {"spectrum": frame, **{name: queue.held for name, queue in queues.items()}})
            for queue, entering in zip(queues.values(), new, strict=True):
                queue.push(entering)
            made.append(clean.view(np.complex64))
        result = np.concatenate(made, axis=-1) if len(made) != 1 else made[0]
        return result, {name: queue.rows for name, queue in queues.items()}


class Graphs(Protocol):
    """A source of a denoiser's ONNX files."""

    def at(self, rate: int) -> "Sequence[OnnxNetwork]":
        """The network for a rate, or those of an ensemble's members."""


class OnnxDenoiser(Streaming[Samples]):
    """A denoiser that onnxruntime runs on the CPU, from :func:`audioae.load`. It needs no torch.

    Its waves and states are numpy arrays; recordings and chunks may be tensors as well.

    Args:
        name: name of the model, for messages.
        graphs: its files.

    >>> import audioae
    >>> denoiser = audioae.load("conv_dae", backend="onnx")
    >>> denoiser(np.zeros(16000, np.float32), 16000).shape
    (16000,)
    """

    def __init__(self, name: str, graphs: Graphs) -> None:
        self.name, self.graphs = name, graphs
        self._parts: dict[int, list[Part[Samples]]] = {}
        self._lock = threading.Lock()

    def parts(self, rate: int) -> Sequence[Part[Samples]]:
        """The network with its transform at ``rate`` Hz, or those of an ensemble.

        Raises:
            InputError: the rate is not within 8 to 192 kHz, or the file is for another one.
        """
        if rate not in self._parts:
            hop_length(rate)  # checks the rate
            with self._lock:
                if rate not in self._parts:
                    networks = self.graphs.at(rate)
                    self._parts[rate] = [Part(network.framing, network) for network in networks]
        return self._parts[rate]

    def taken(self, wave: AnyWave) -> Samples:
        """A wave as an array."""
        return as_array(wave)

    def __call__(
        self, audio: Audio, rate: int, atten_limit: float | None = None, mix: float = 1.0, channels: str = "linked"
    ) -> Audio:
        """:meth:`~audioae.nn.streaming.Streaming.recording`."""
        return self.recording(audio, rate, atten_limit, mix, channels)

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle and copies."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


class FileGraphs:
    """An ONNX file of ``audioae export``, for one rate.

    Args:
        path: the file.

    Raises:
        ModelFileError: not a file of ``audioae export`` that takes spectra.
        MissingExtraError: onnxruntime is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            model = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
        self.network = OnnxNetwork(model, str(path))

    def at(self, rate: int) -> Sequence[OnnxNetwork]:
        """The network of the file.

        Raises:
            InputError: the file is for another rate.
        """
        own, wanted = self.network.framing, Framing(rate, *self.network.sizes)
        if (own.hop, own.n_fft) != (wanted.hop, wanted.n_fft):
            raise InputError(f"the ONNX file is for {self.network.rate} Hz: export one with --rate {rate}")
        return [self.network]


def onnxruntime() -> Any:
    """The library.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import onnxruntime as library
    except ImportError:
        raise MissingExtraError("ONNX files are run by onnxruntime: pip install 'audioae[onnx]'") from None
    return library


def open_session(model: bytes, origin: str) -> Any:
    """An inference session of an ONNX model.

    It runs in the calling thread, because a frame is too little work for several threads.

    Args:
        model: contents of the file.
        origin: its path or name, for messages.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelFileError: not an ONNX file.
    """
    library = onnxruntime()
    options = library.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return library.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # errors of onnxruntime have no common base class
        raise ModelFileError(f"{origin}: not an ONNX file that onnxruntime runs ({str(error).splitlines()[0]})") from error
