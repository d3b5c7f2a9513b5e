"""Noise reduction of the audio that LiveKit receives; the only module that imports livekit."""

import os

import numpy as np

from audioae.errors import MissingExtraError
from audioae.nn.strength import Strength
from audioae.runtime.streamer import Streamer

try:
    from livekit.rtc import AudioFrame, FrameProcessor
except ImportError:
    raise MissingExtraError("AudioaeFrameProcessor needs the package livekit: pip install 'audioae[livekit]'") from None

OFF = Strength(mix=0)


class AudioaeFrameProcessor(FrameProcessor[AudioFrame]):
    """Removes noise from a LiveKit audio stream: ``AudioStream(track, noise_cancellation=AudioaeFrameProcessor())``.

    In LiveKit Agents it is the option ``noise_cancellation`` of the room's audio input. Each frame is answered by
    a frame of the same size, with the audio :attr:`latency_samples` later; the first ones begin with silence. One processor
    is for one stream. ``enabled`` turns noise reduction off and on with a crossfade; the latency stays.

    Args:
        model: a model of the package or a model file's path, preferably a causal one.
        atten_limit: largest attenuation in dB.
        mix: 1 for the cleaned signal, 0 for the input, or between.

    Attributes:
        latency_samples: latency in samples, known after the first frame.

    Raises:
        InputError: an unsupported setting, or, with the first frame, an unsupported rate.
        ModelFileError: no such model.
    """

    def __init__(
        self, model: str | os.PathLike[str] = "conv_dae", atten_limit: float | None = None, mix: float = 1.0
    ) -> None:
        self._first = Streamer(model, 48_000, atten_limit, mix)  # raises errors at once
        self._streamer: Streamer | None = None
        self._shape = 0, 0
        self._ready = np.zeros((0, 1), np.int16)
        self._enabled = True
        self.latency_samples = 0

    @property
    def enabled(self) -> bool:
        """Whether frames are cleaned; otherwise they are only delayed."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._enabled = value
        if self._streamer is not None:
            self._streamer.strength = self._strength

    @property
    def _strength(self) -> Strength:
        return self._first.strength if self._enabled else OFF

    def _process(self, frame: AudioFrame) -> AudioFrame:
        samples = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)
        if self._streamer is None or self._shape != (frame.sample_rate, frame.num_channels):
            self._streamer = Streamer(self._first.denoiser, frame.sample_rate)
            self._streamer.strength = self._strength
            self._shape = frame.sample_rate, frame.num_channels
            self.latency_samples = self._streamer.latency_samples
            self._ready = np.zeros((self.latency_samples, frame.num_channels), np.int16)
        self._ready = np.concatenate([self._ready, self._streamer.feed(samples)])
        now, self._ready = self._ready[: len(samples)], self._ready[len(samples) :]
        return AudioFrame(now.tobytes(), frame.sample_rate, frame.num_channels, len(now), userdata=frame.userdata)

    def _close(self) -> None:
        self._streamer = None
