"""Live audio from an input to an output device. Only this module imports sounddevice."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audioae.errors import InputError, MissingExtraError
from audioae.runtime.streamer import Streamer

WAITING = 8
"""Size of the input queue in blocks of one hop; further blocks are dropped and counted."""
WATCH = 0.1
"""Seconds between two reports."""


@dataclass
class Status:
    """State of a live stream.

    Attributes:
        seconds: seconds since the start.
        latency: seconds from input to output, including devices, queues and the network.
        overruns: input blocks that were lost by the device or by a full queue.
        underruns: output blocks of silence, because no audio was ready.
        load: share of the time that is spent on cleaning.
    """

    seconds: float = 0.0
    latency: float = 0.0
    overruns: int = 0
    underruns: int = 0
    load: float = 0.0


def devices() -> str:
    """All audio devices, as text.

    Raises:
        MissingExtraError: sounddevice or PortAudio is not installed.
    """
    return str(_sounddevice().query_devices())


def run(
    streamer: Streamer,
    channels: int = 1,
    source: str | None = None,
    sink: str | None = None,
    seconds: float | None = None,
    watch: Callable[[Status], None] | None = None,
) -> Status:
    """Clean the input of a device and play it on another, until Ctrl-C or for ``seconds``.

    Args:
        streamer: a stream at the devices' sample rate.
        channels: C.
        source: name or number of the input device; None for the default device.
        sink: name or number of the output device.
        seconds: duration; None for unlimited.
        watch: called ten times a second with the status; it may change the streamer's ``strength``.

    Raises:
        InputError: no such device, or an unsupported rate.
        MissingExtraError: sounddevice or PortAudio is not installed.
    """
    sounddevice = _sounddevice()
    hop, rate = streamer.hop, streamer.rate
    status = Status()
    recorded: queue.Queue[NDArray[np.float32] | None] = queue.Queue(WAITING)
    ready = _Ready(channels)
    queued = played = 0  # samples
    busy = 0.0
    failure: Exception | None = None

    def clean() -> None:
        nonlocal busy, failure
        try:
            while (block := recorded.get()) is not None:
                begun = time.perf_counter()
                ready.put(np.asarray(streamer.feed(block), np.float32))
                busy += time.perf_counter() - begun
        except Exception as error:  # raised by the main thread
            failure = error

    def callback(given: Any, taken: Any, frames: int, _: Any, flags: Any) -> None:
        nonlocal queued, played
        status.overruns += bool(flags.input_overflow)
        status.underruns += bool(flags.output_underflow)
        try:
            recorded.put_nowait(given.copy())
            queued += frames
        except queue.Full:
            status.overruns += 1
        there, late = ready.take(taken)
        played += there + late
        if there < frames and ready.begun:
            status.underruns += 1

    worker = threading.Thread(target=clean, daemon=True)
    try:
        stream = sounddevice.Stream(
            samplerate=rate,
            blocksize=hop,
            channels=channels,
            dtype="float32",
            device=(_device(source), _device(sink)),
            callback=callback,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise InputError(f"sound devices: {error}: see `audioae live --list`, and try another --rate") from None
    worker.start()
    start = time.monotonic()
    try:
        with stream:
            while failure is None and (seconds is None or time.monotonic() - start < seconds):
                time.sleep(WATCH if seconds is None else min(WATCH, max(0.0, seconds - (time.monotonic() - start))))
                status.seconds = time.monotonic() - start
                status.latency = sum(stream.latency) + (queued - played) / rate
                status.load = busy / max(status.seconds, 1e-9)
                if watch is not None:
                    watch(status)
    except sounddevice.PortAudioError as error:
        raise InputError(f"sound devices: {error}: is another program using them?") from None
    finally:
        while worker.is_alive():  # drop queued blocks, to make room for the end mark
            with contextlib.suppress(queue.Full):
                recorded.put(None, timeout=0.1)
            worker.join(0.1)
    if failure is not None:
        raise failure
    return status


class _Ready:
    """Queue of cleaned samples between the threads of the model and the device."""

    def __init__(self, channels: int) -> None:
        self._samples = np.zeros((0, channels), np.float32)
        self._lock = threading.Lock()
        self.begun = False
        self._missed = 0

    def put(self, samples: NDArray[np.float32]) -> None:
        with self._lock:
            self._samples = np.concatenate([self._samples, samples])

    def take(self, into: NDArray[np.float32]) -> tuple[int, int]:
        """Fill ``into`` with samples and then silence. The output starts when a whole block is ready.

        Returns:
            The number of samples, and the number of late samples that were dropped, so that the latency does not grow.
        """
        with self._lock:
            self.begun = self.begun or len(self._samples) >= len(into)
            if not self.begun:
                into[:] = 0
                return 0, 0
            late = max(0, min(self._missed, len(self._samples) - len(into)))
            count = min(len(into), len(self._samples) - late)
            into[:count], into[count:] = self._samples[late : late + count], 0
            self._samples = self._samples[late + count :]
            self._missed += len(into) - count - late
        return count, late


def _device(name: str | None) -> int | str | None:
    return int(name) if name is not None and name.isdigit() else name


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise MissingExtraError("live sound goes through sounddevice: pip install 'audioae[live]'") from None
    except OSError:
        raise MissingExtraError(
            "live sound goes through PortAudio, which is not installed: get libportaudio2 from your system's packages"
        ) from None
    return sounddevice
