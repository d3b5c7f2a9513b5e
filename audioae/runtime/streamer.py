"""Live audio: feed chunks of any length, get back what is ready."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.audio.layout import Audio, finite_or_warn, to_wave, whole_rate
from audioae.errors import InputError
from audioae.nn.trained import State, StreamingModel, Strength, is_linked
from audioae.runtime.onnx_run import resolved


class Streamer:
    """Cleans a stream chunk by chunk, with the result of the whole file to rounding (1e-5), whatever the chunks.

    What :meth:`feed` and :meth:`flush` return, joined, has as many samples as were fed and no delay within it: only the
    moment at which a sample comes out is later. The state is the value :attr:`state`, a flat dict of tensors. Pickle and
    copies keep it. A stream is fed by one thread at a time.

    Args:
        denoiser: a denoiser or autoencoder: a model of the package, a model file's path, or a loaded one.
        rate: sample rate in Hz.
        atten_limit: largest attenuation in dB.
        mix: 1 for the cleaned signal, 0 for the input, or between.
        channels: ``linked`` or ``independent``.

    Attributes:
        latency_samples: after any number of samples fed, at most this many of them have not come back yet, and at some
            moments exactly this many: the hops of a window less one sample, mostly 32 ms, and what the model looks ahead.
        state: what the front-end and the model remember.

    Raises:
        InputError: an unsupported rate or setting.
        ModelFileError: no such model, or one that gives no recording back.

    >>> import audioae
    >>> noisy = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.01
    >>> streamer = audioae.Streamer(audioae.load(), 16000)
    >>> parts = [streamer.feed(noisy[i : i + 1000]) for i in range(0, 16000, 1000)] + [streamer.flush()]
    >>> bool(np.allclose(np.concatenate(parts), audioae.denoise(noisy, 16000), atol=1e-5))
    True
    """

    def __init__(
        self,
        denoiser: StreamingModel | str | os.PathLike[str],
        rate: int,
        atten_limit: float | None = None,
        mix: float = 1.0,
        channels: str = "linked",
    ) -> None:
        self.denoiser, self.rate = resolved(denoiser, StreamingModel), whole_rate(rate)
        self.strength, self.linked = Strength(atten_limit, mix), is_linked(channels)
        self.hop = self.denoiser.hop(self.rate)
        self.delay = self.denoiser.delay(self.rate)
        self.latency_samples = self.delay + self.hop - 1
        self._lock = threading.Lock()
        self.reset()

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copies."""
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
        """Another one of the same settings, at its beginning."""
        channels = "linked" if self.linked else "independent"
        return Streamer(self.denoiser, self.rate, self.strength.atten_limit, self.strength.mix, channels)

    def reset(self) -> None:
        """Forget everything: the next chunk begins a new stream, of any shape."""
        self.state: State | None = None
        self._rest: list[Tensor] = []
        self._held = 0
        self._fed = self._returned = 0
        self._lead = self.delay
        # What flush() has to look like: that of the last chunk.
        self._empty: np.ndarray | Tensor | None = None

    def feed(self, audio: Audio) -> Audio:
        """Take a chunk of any length, one sample or none included, and return what is ready, of the same type.

        Args:
            audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; ``(B, C, N)`` feeds B streams.

        Raises:
            InputError: an unusable array, other channels than before, or another thread feeds it at this moment.
            ModelFileError: the model gives sound that is not finite.

        Warns:
            AudioaeWarning: NaN or infinite samples, which are taken as zero.
        """
        wave, back = to_wave(audio)
        device = wave.device
        ready = self.feed_wave(finite_or_warn(wave))
        self._empty = audio[:0].copy() if isinstance(audio, np.ndarray) else audio[..., :0].clone()
        return back(ready.to(device))

    def flush(self) -> NDArray[np.generic] | Tensor:
        """End the stream: return what is still to come, of the type of the last chunk, and start anew."""
        if self._empty is None:
            self.reset()
            return np.zeros(0, np.float32)
        empty = self._empty
        if isinstance(empty, Tensor):
            return to_wave(empty)[1](self.flush_wave().to(empty.device))
        return to_wave(empty)[1](self.flush_wave())

    def feed_wave(self, wave: Tensor) -> Tensor:
        """:meth:`feed` for finite waves ``(B, C, N)``."""
        with self._alone(), torch.inference_mode():
            return self._feed(wave)

    def _feed(self, wave: Tensor) -> Tensor:
        wave = wave.to(self.denoiser.device)
        batch, channels, samples = wave.shape
        if self.state is None:
            self.state = self.denoiser.initial_state(batch, channels, self.rate, self.linked)
            self._rest = [wave[..., :0].clone()]
        before = tuple(self._rest[0].shape[:2])
        if before != (batch, channels):
            now = (batch, channels)
            raise InputError(f"chunk of (batch, channels) {now} in a stream of {before}: call reset() to begin another")
        self._fed += samples
        if not self._held and samples % self.hop == 0:  # as live audio mostly comes, with nothing to join
            return self._advance(wave) if samples else wave
        self._held += samples
        if self._held < self.hop:
            # A copy, for the caller may use the chunk's memory again, and a view would keep the whole of it alive.
            self._rest.append(wave.clone())
            return wave[..., :0]
        joined = torch.cat([*self._rest, wave], dim=-1)
        whole = self._held // self.hop * self.hop
        self._rest, self._held = [joined[..., whole:].clone()], self._held - whole
        return self._advance(joined[..., :whole])

    def flush_wave(self) -> Tensor:
        """:meth:`flush` for waves ``(B, C, N)``."""
        with self._alone(), torch.inference_mode():
            return self._flush()

    def _flush(self) -> Tensor:
        if self.state is None:
            return torch.zeros(1, 1, 0)
        missing = self._fed - self._returned
        rest = torch.cat(self._rest, dim=-1)
        result = rest[..., :0]
        if missing:
            zeros = rest.new_zeros(*rest.shape[:2], -self._held % self.hop + self.delay)
            result = self._advance(torch.cat([rest, zeros], dim=-1))[..., :missing]
        self.reset()
        return result

    def _advance(self, wave: Tensor) -> Tensor:
        assert self.state is not None
        ready, self.state = self.denoiser.step(wave, self.state, self.rate, self.strength, self.linked)
        ready = self.denoiser.checked(ready)
        # What comes out first lies before the first sample.
        if self._lead:
            early = min(self._lead, ready.shape[-1])
            self._lead -= early
            ready = ready[..., early:]
        self._returned += ready.shape[-1]
        return ready
