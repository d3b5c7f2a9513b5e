"""Noise reduction in a pipecat pipeline; the only module that imports pipecat."""

import os

import numpy as np

from audioae.errors import MissingExtraError
from audioae.nn.strength import Strength
from audioae.runtime.batch import Batch, BatchStream

try:
    from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
    from pipecat.frames.frames import FilterControlFrame, FilterEnableFrame
except ImportError:
    raise MissingExtraError("AudioaeFilter needs the package pipecat-ai: pip install 'audioae[pipecat]'") from None

FULL_SCALE = 32768
OFF = Strength(mix=0)


class AudioaeFilter(BaseAudioFilter):
    """Removes noise from the input of a transport: ``TransportParams(audio_in_filter=AudioaeFilter())``.

    The latency is 32 ms with ``conv_dae``, also while the filter is off: a ``FilterEnableFrame`` turns noise reduction off
    and on with a crossfade, so that no sample is lost, repeated or shifted. Samples that are still buffered when the
    transport stops are dropped.

    Args:
        model: a model of the package or a model file's path, preferably a causal one.
        atten_limit: largest attenuation in dB.
        mix: 1 for the cleaned signal, 0 for the input, or between.
        batch: cleans the streams of many pipelines together, with its own model, rate and strength. By default each filter
            has its own stream.

    Raises:
        InputError: raised by :meth:`start` for an unsupported rate, or one that is not the batch's.
        ModelFileError: raised by :meth:`start` if there is no such model.
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
        self._half = b""  # first byte of a sample whose second one has not come

    async def start(self, sample_rate: int) -> None:
        """Load the model for the transport's sample rate."""
        if self._own:
            model, atten_limit, mix = self._settings
            self._batch = Batch(model, sample_rate, atten_limit, mix)
        assert self._batch is not None
        self._batch.check_rate(sample_rate)
        self._stream, self._half = self._batch.open(), b""
        self._set_strength()

    async def stop(self) -> None:
        """End the stream."""
        self._stream = None

    async def process_frame(self, frame: FilterControlFrame) -> None:
        """Turn the filter on or off, from the next chunk on."""
        if isinstance(frame, FilterEnableFrame):
            self._enabled = frame.enable
            self._set_strength()

    def _set_strength(self) -> None:
        if self._stream is not None and self._batch is not None:
            self._stream.strength = self._batch.strength if self._enabled else OFF

    async def filter(self, audio: bytes) -> bytes:
        """Take mono samples as 16-bit integers, cut anywhere, and return those that are ready, none at first."""
        if self._stream is None or self._batch is None:
            return audio
        audio = self._half + audio
        whole = len(audio) // 2 * 2
        self._half = audio[whole:]
        samples = (np.frombuffer(audio[:whole], "<i2") / FULL_SCALE).astype(np.float32)
        ready = await self._batch.clean(self._stream, samples)
        return np.rint(ready * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes()
