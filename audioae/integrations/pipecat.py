"""Noise reduction in a pipecat pipeline; the only module that knows pipecat."""

import asyncio
import os

import numpy as np

from audioae.errors import MissingExtraError
from audioae.runtime.batch import Batch, BatchStream, Samples

try:
    from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
    from pipecat.frames.frames import FilterControlFrame, FilterEnableFrame
except ImportError:
    raise MissingExtraError("AudioaeFilter needs the package pipecat-ai: pip install 'audioae[pipecat]'") from None

FULL_SCALE = 32768


class AudioaeFilter(BaseAudioFilter):
    """Removes noise from the input of a transport: ``TransportParams(audio_in_filter=AudioaeFilter())``.

    The audio of a pipeline comes 32 ms later with ``conv_dae``. A ``FilterEnableFrame`` turns it off and on; no sample is
    lost or given twice. What has not come back when the transport stops is dropped.

    Args:
        model: a model of the package or a model file's path, best a causal one.
        atten_limit: largest attenuation in dB.
        mix: 1 for the cleaned signal, 0 for the input, or between.
        batch: cleans the streams of many pipelines together; its model, rate and strength count. Without, each filter
            has its own.

    Raises:
        InputError: of :meth:`start`, an unsupported rate, or another one than the batch's.
        ModelFileError: of :meth:`start`, no such model.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "conv_dae",
        atten_limit: float | None = None,
        mix: float = 1.0,
        batch: Batch | None = None,
    ) -> None:
        self._settings, self._batch = (model, atten_limit, mix), batch
        self._own = batch is None
        self._stream: BatchStream | None = None
        self._enabled = True
        self._rest: Samples = np.zeros(0, np.float32)
        self._lock = asyncio.Lock()  # control frames and audio come from two tasks

    async def start(self, sample_rate: int) -> None:
        """Load the model for the transport's sample rate."""
        if self._own:
            model, atten_limit, mix = self._settings
            self._batch = Batch(model, sample_rate, atten_limit, mix)
        assert self._batch is not None
        self._batch.check_rate(sample_rate)
        self._stream = self._batch.open()

    async def stop(self) -> None:
        """End the stream."""
        self._stream, self._rest = None, self._rest[:0]

    async def process_frame(self, frame: FilterControlFrame) -> None:
        """Turn the filter on or off."""
        if not isinstance(frame, FilterEnableFrame):
            return
        async with self._lock:
            if self._enabled and not frame.enable and self._stream is not None and self._batch is not None:
                self._rest = np.concatenate([self._rest, self._batch.flush(self._stream)])
            self._enabled = frame.enable

    async def filter(self, audio: bytes) -> bytes:
        """Samples as 16-bit integers, mono, to those that are ready; empty at first."""
        async with self._lock:
            if self._stream is None or self._batch is None:
                return audio
            samples = (np.frombuffer(audio, "<i2") / FULL_SCALE).astype(np.float32)
            if self._enabled:
                samples = await self._batch.clean(self._stream, samples)
            ready, self._rest = np.concatenate([self._rest, samples]), samples[:0]
        return np.rint(ready * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes()
