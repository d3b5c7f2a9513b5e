"""Streams: take chunks of any length, and return cleaned samples as soon as they are ready."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audioae.audio.layout import AnyWave, Audio, finite_or_warn, to_wave, whole_rate
from audioae.errors import InputError
from audioae.nn.stream import Stream
from audioae.nn.streaming import Streaming
from audioae.nn.strength import Strength, is_linked
from audioae.runtime.loading import streaming
from audioae.signal.arrays import as_array, copied, part

if TYPE_CHECKING:
    from torch import Tensor

    from audioae.signal.activity import SpeechActivity


class Streamer:
    """Cleans a stream chunk by chunk. The result equals that of the whole file within 1e-5, for any chunks.

    The results of :meth:`feed` and :meth:`flush`, joined, have as many samples as were fed, without delay; samples are
    only returned later than they are fed. Pickle and copies keep :attr:`state`. A stream is fed by one thread at a time.

    Args:
        denoiser: a denoiser or autoencoder: a model of the package, a model file's path, or a loaded one.
        rate: sample rate in Hz.
        atten_limit: largest attenuation in dB.
        mix: 1 for the cleaned signal, 0 for the input, or between.
        channels: ``linked`` or ``independent``.
        speech: also find speech; see :attr:`speech`.

    Attributes:
        strength: an :class:`audioae.Strength`, which may be replaced at any time, by any thread. The result crossfades
            over one hop, which begins at the first sample that is fed afterwards.
        latency_samples: largest number of samples that were fed and have not been returned: the hops of a window less one
            sample, mostly 32 ms, and the model's look-ahead.
        hop: samples that the model takes at a time.
        delay: samples by which the model's result lags.

    Raises:
        InputError: an unsupported rate or setting.
        ModelFileError: no such model, or one that does not take waves to waves.

    >>> import audioae
    >>> noisy = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.01
    >>> streamer = audioae.Streamer(audioae.load(), 16000)
    >>> parts = [streamer.feed(noisy[i : i + 1000]) for i in range(0, 16000, 1000)] + [streamer.flush()]
    >>> bool(np.allclose(np.concatenate(parts), audioae.denoise(noisy, 16000), atol=1e-5))
    True
    """

    def __init__(
        self,
        denoiser: Streaming[Any] | str | os.PathLike[str],
        rate: int,
        atten_limit: float | None = None,
        mix: float = 1.0,
        channels: str = "linked",
        speech: bool = False,
    ) -> None:
        self.denoiser: Streaming[Any] = streaming(denoiser)
        self.rate = whole_rate(rate)
        self.strength, self.linked = Strength(atten_limit, mix), is_linked(channels)
        self._lock = threading.Lock()
        self._finds_speech = speech
        self.reset()
        self.hop, self.delay = self._stream.hop, self._stream.delay
        self.latency_samples = self.delay + self.hop - 1

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle and copies."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise InputError("a Streamer is one stream, and two threads feed this one at once: give each thread its own")
        try:
            yield
        finally:
            self._lock.release()

    def clone(self) -> "Streamer":
        """A new streamer with the same settings."""
        channels = "linked" if self.linked else "independent"
        limit, mix = self.strength.atten_limit, self.strength.mix
        return Streamer(self.denoiser, self.rate, limit, mix, channels, self._finds_speech)

    @property
    def state(self) -> dict[str, AnyWave] | None:
        """State of the stream, a flat dict of tensors, or of arrays with onnxruntime; None before the first chunk."""
        return self._stream.state

    @property
    def speech(self) -> NDArray[np.float32]:
        """The probability of speech in each frame that the last :meth:`feed` or :meth:`flush` completed.

        They do not depend on :attr:`strength`. Nothing is muted.

        Returns:
            ``(T,)``, or ``(B, T)`` of several streams. Joined from the first chunk on, value k is that of the returned
            samples from ``k * speech_frame`` to ``(k + 1) * speech_frame``, the highest of the channels.

        Raises:
            InputError: the streamer was made without ``speech=True``.
        """
        self._activity_there()
        return self._speech[0] if len(self._speech) == 1 else self._speech

    @property
    def speech_frame(self) -> int:
        """Samples of a frame of :attr:`speech`, 16 ms at any rate and with any model.

        Raises:
            InputError: the streamer was made without ``speech=True``.
        """
        return self._activity_there().frame

    def _activity_there(self) -> "SpeechActivity":
        if self._activity is None:
            raise InputError("this Streamer does not find speech: make it with speech=True")
        return self._activity

    def reset(self) -> None:
        """Start anew: the next chunk begins a new stream, of any shape."""
        self._stream = Stream(self.denoiser, self.rate, self.strength, self.linked, pairs=self._finds_speech)
        self._activity = _activity(self.rate) if self._finds_speech else None
        self._speech = np.zeros((1, 0), np.float32)
        # An empty chunk of the type of the last one, which is the type that flush() returns.
        self._empty: AnyWave | None = None

    def feed(self, audio: Audio) -> Audio:
        """Take a chunk of any length, which may be empty, and return the samples that are ready, of the same type.

        Args:
            audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; ``(B, C, N)`` feeds B streams.

        Raises:
            InputError: an unusable array, other channels than before, or another thread feeds it at this moment.
            ModelFileError: the model gives samples that are not finite.

        Warns:
            AudioaeWarning: NaN or infinite samples, which are taken as zero.
        """
        wave, back = to_wave(audio)
        ready = self.feed_wave(finite_or_warn(wave))
        self._empty = audio[:0].copy() if isinstance(audio, np.ndarray) else copied(part(audio, 0, 0))
        return back(ready)

    def flush(self) -> "NDArray[np.generic] | Tensor":
        """End the stream and return the remaining samples, of the type of the last chunk; the next chunk begins anew."""
        if self._empty is None:
            self.reset()
            return np.zeros(0, np.float32)
        return to_wave(self._empty)[1](self.flush_wave())

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """:meth:`feed` for finite waves ``(B, C, N)``; results are as the model gives them."""
        with self._alone(), self.denoiser.inference():
            self._stream.fade.strength = self.strength
            ready = self.denoiser.checked(self._stream.feed(self.denoiser.taken(wave)))
            self._speech = self._new_probabilities()
            return ready

    def flush_wave(self) -> AnyWave:
        """:meth:`flush` for waves ``(B, C, N)``."""
        with self._alone(), self.denoiser.inference():
            rest = self._stream.flush()
            probabilities = [self._new_probabilities()] + ([] if self._activity is None else [self._activity.flush()])
            self.reset()
            self._speech = np.concatenate(probabilities, axis=-1)
            return self.denoiser.checked(rest)

    def _new_probabilities(self) -> NDArray[np.float32]:
        """Probabilities of the frames that the stream has just completed."""
        if self._activity is None or self._stream.pair is None:
            return np.zeros((1, 0), np.float32)
        noisy, clean = map(as_array, self._stream.pair)
        return self._activity.feed(noisy, clean)


def _activity(rate: int) -> "SpeechActivity":
    from audioae.signal.activity import SpeechActivity  # loads scipy, which cleaning alone need not wait for

    return SpeechActivity(rate)
