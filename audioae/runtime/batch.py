"""Live streams of one model, cleaned as one batch: a network is hardly slower for ten streams than for one."""

import asyncio
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audioae.audio.layout import AnyWave, finite, whole_rate
from audioae.errors import InputError
from audioae.nn.fade import Fade
from audioae.nn.streaming import Streaming
from audioae.nn.strength import Strength
from audioae.runtime.loading import streaming
from audioae.signal.arrays import as_array, copied, joined
from audioae.system.threads import limited

Samples = NDArray[np.float32]
State = dict[str, AnyWave]


@dataclass(eq=False)
class BatchStream:
    """One stream of a :class:`Batch`, of one channel. It is created by :meth:`Batch.open`.

    Attributes:
        strength: may be replaced at any time. The result crossfades over one hop, from the first sample on that is fed
            afterwards.
    """

    strength: Strength
    state: State
    fade: Fade
    lead: int
    held: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    fed: int = 0
    returned: int = 0


_Waiting = tuple[BatchStream, Samples, "asyncio.Future[Samples]"]


class Batch:
    """Streams of one model and rate. Samples that several of them have ready go through the network together.

    Each result equals that of a separate :class:`~audioae.runtime.streamer.Streamer` within 1e-5. Streams can begin and end
    at any time.

    Args:
        denoiser: a denoiser: a model of the package, a model file's path, or a loaded one.
        rate: sample rate in Hz.
        atten_limit: largest attenuation in dB.
        mix: 1 for the cleaned signal, 0 for the input, or between.

    Raises:
        InputError: an unsupported rate or setting.
        ModelFileError: no such model, or one that does not take waves to waves.

    >>> batch = Batch("conv_dae", 16000)
    >>> first, second = batch.open(), batch.open()
    >>> [len(each) for each in batch.feed([(first, np.zeros(1024)), (second, np.zeros(300))])]
    [768, 0]
    """

    def __init__(
        self,
        denoiser: Streaming[Any] | str | os.PathLike[str] = "conv_dae",
        rate: int = 16_000,
        atten_limit: float | None = None,
        mix: float = 1.0,
    ) -> None:
        self.denoiser: Streaming[Any] = streaming(denoiser)
        self.rate = whole_rate(rate)
        self.strength = Strength(atten_limit, mix)
        self.hop, self.delay = self.denoiser.hop(self.rate), self.denoiser.delay(self.rate)
        self.latency_samples = self.delay + self.hop - 1
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    def check_rate(self, rate: int) -> None:
        """Reject streams of another rate.

        Raises:
            InputError: another rate.
        """
        if rate != self.rate:
            raise InputError(f"a stream of {rate} Hz in a batch of {self.rate} Hz: make a Batch for each rate")

    def open(self) -> BatchStream:
        """Begin a stream."""
        return BatchStream(self.strength, *self._beginning(self.strength))

    def _beginning(self, strength: Strength) -> tuple[State, Fade, int]:
        return self.denoiser.initial_state(1, 1, self.rate), Fade(strength, self.hop, self.delay), self.delay

    def feed(self, chunks: Sequence[tuple[BatchStream, Samples]]) -> list[Samples]:
        """Take a chunk ``(N,)`` of any length for each of several streams and return the samples of each that are ready.

        NaN and infinite samples are taken as zero.

        Raises:
            InputError: two chunks of one stream.
            ModelFileError: the model gives samples that are not finite.
        """
        if len({stream for stream, _ in chunks}) < len(chunks):
            raise InputError("two chunks of one stream at a time: feed them one after the other")
        together: defaultdict[int, list[BatchStream]] = defaultdict(list)
        for stream, chunk in chunks:
            wave = finite(np.ascontiguousarray(chunk, np.float32))[0]
            stream.held = np.concatenate([stream.held, wave])
            stream.fade.strength = stream.strength
            stream.fade.feed(len(wave))
            stream.fed += len(wave)
            together[len(stream.held) // self.hop].append(stream)
        ready = {stream: np.zeros(0, np.float32) for stream, _ in chunks}
        for hops, streams in together.items():
            if hops:
                ready |= zip(streams, self._step(streams, hops * self.hop), strict=True)
        return [ready[stream] for stream, _ in chunks]

    def _step(self, streams: list[BatchStream], samples: int) -> list[Samples]:
        """Clean the first samples that streams hold."""
        wave = self.denoiser.taken(np.stack([stream.held[:samples] for stream in streams])[:, None])
        state = {name: joined([stream.state[name] for stream in streams], axis=0) for name in streams[0].state}
        with self.denoiser.inference(), limited(1):
            clean, after = self.denoiser.step(wave, state, self.rate, _shares(streams, samples))
            made = as_array(self.denoiser.checked(clean))[:, 0]
        results = []
        for number, (stream, result) in enumerate(zip(streams, made, strict=True)):
            stream.held = stream.held[samples:]
            stream.state = {name: copied(value[number : number + 1]) for name, value in after.items()}
            early = min(stream.lead, samples)  # lies before the first sample
            stream.lead -= early
            stream.returned += samples - early
            results.append(result[early:])
        return results

    def flush(self, stream: BatchStream) -> Samples:
        """End a stream and return its remaining samples."""
        missing = stream.fed - stream.returned
        padding = np.zeros(-len(stream.held) % self.hop + self.delay, np.float32)
        (rest,) = self.feed([(stream, padding)]) if missing else (padding[:0],)
        stream.state, stream.fade, stream.lead = self._beginning(stream.strength)
        stream.held = padding[:0]
        stream.fed = stream.returned = 0
        return rest[:missing]

    async def clean(self, stream: BatchStream, chunk: Samples) -> Samples:
        """:meth:`feed` for one stream, awaited by one of many tasks of an event loop. Chunks that arrive while others are
        cleaned wait and are then cleaned together. The loop is not blocked."""
        future: asyncio.Future[Samples] = asyncio.get_running_loop().create_future()
        self._waiting.append((stream, chunk, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(0)  # other tasks that are ready add theirs
                now, self._waiting = _one_of_each(self._waiting)
                try:
                    made = await asyncio.to_thread(self.feed, [(stream, chunk) for stream, chunk, _ in now])
                except Exception as error:  # raised by the tasks that wait
                    for _, _, future in now:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, _, future), result in zip(now, made, strict=True):
                    if not future.done():  # else its task was cancelled
                        future.set_result(result)
        finally:
            self._task = None


def _shares(streams: list[BatchStream], samples: int) -> Strength | Samples:
    """Shares of the input in the next samples ``(B, 1, N)``, or the strength of all streams."""
    every = [stream.fade.shares(samples) for stream in streams]
    first = every[0]
    if isinstance(first, Strength) and all(isinstance(each, Strength) and each == first for each in every):
        return first
    rows = [np.full(samples, each.dry, np.float32) if isinstance(each, Strength) else each for each in every]
    return np.stack(rows)[:, None]


def _one_of_each(waiting: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """The first chunk of each stream, and the others."""
    first: dict[BatchStream, _Waiting] = {}
    later = []
    for each in waiting:
        if first.setdefault(each[0], each) is not each:
            later.append(each)
    return list(first.values()), later
