"""From a microphone to an output while one speaks; the only module that knows sounddevice."""

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
"""Blocks of a hop each that may wait to be cleaned; what comes on top is lost, and counted."""


@dataclass
class Status:
    """State of a live stream.

    Attributes:
        seconds: since it began.
        latency: seconds from the microphone to the output: both devices, the network, what waits for it and what lies ready.
        overruns: blocks that came while too many were waiting, or that the device had lost.
        underruns: blocks for which nothing was ready; silence was given out.
        load: share of the time that cleaning takes; at 1 it only just keeps up.
    """

    seconds: float = 0.0
    latency: float = 0.0
    overruns: int = 0
    underruns: int = 0
    load: float = 0.0


def devices() -> str:
    """All sound devices, as a list for people.

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
    """Clean what a microphone hears and play it, until Ctrl-C or for so many seconds.

    Args:
        streamer: at the devices' rate.
        channels: C.
        source: name or number of the input device; None for the system's own.
        sink: of the output device.
        seconds: how long; None for ever.
        watch: called twice a second.

    Raises:
        InputError: no such device, or not at this rate.
        MissingExtraError: sounddevice or PortAudio is not installed.
    """
    sounddevice = _sounddevice()
    hop, rate = streamer.hop, streamer.rate
    status = Status()
    heard: queue.Queue[NDArray[np.float32] | None] = queue.Queue(WAITING)
    ready = _Ready(channels)
    queued = played = 0  # samples
    busy = 0.0
    failure: Exception | None = None

    def clean() -> None:
        nonlocal busy, failure
        try:
            while (block := heard.get()) is not None:
                begun = time.perf_counter()
                ready.put(np.asarray(streamer.feed(block), np.float32))
                busy += time.perf_counter() - begun
        except Exception as error:  # told by the thread that waits for this one
            failure = error

    def callback(given: Any, taken: Any, frames: int, _: Any, flags: Any) -> None:
        nonlocal queued, played
        status.overruns += bool(flags.input_overflow)
        status.underruns += bool(flags.output_underflow)
        try:
            heard.put_nowait(given.copy())
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
                time.sleep(0.5 if seconds is None else min(0.5, max(0.0, seconds - (time.monotonic() - start))))
                status.seconds = time.monotonic() - start
                status.latency = sum(stream.latency) + (queued - played) / rate
                status.load = busy / max(status.seconds, 1e-9)
                if watch is not None:
                    watch(status)
    except sounddevice.PortAudioError as error:
        raise InputError(f"sound devices: {error}: is another program using them?") from None
    finally:
        while worker.is_alive():  # nobody listens any more: what waits is dropped, that the end finds room
            with contextlib.suppress(queue.Full):
                heard.put(None, timeout=0.1)
            worker.join(0.1)
    if failure is not None:
        raise failure
    return status


class _Ready:
    """Cleaned samples that wait to be played, from one thread to another."""

    def __init__(self, channels: int) -> None:
        self._samples = np.zeros((0, channels), np.float32)
        self._lock = threading.Lock()
        self.begun = False
        self._missed = 0

    def put(self, samples: NDArray[np.float32]) -> None:
        with self._lock:
            self._samples = np.concatenate([self._samples, samples])

    def take(self, into: NDArray[np.float32]) -> tuple[int, int]:
        """Fill ``into`` from its beginning, the rest with silence. It begins with a whole block.

        Returns:
            How many samples there were, and how many came too late, since silence had been played in their place, and are
            left out so that the latency does not grow.
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
