"""Frames of waves and their spectra, defined in seconds, so that one model serves every sample rate.

The hop is round(0.016 * rate) samples and the window two hops by default. Bins are then spaced by about 31.25 Hz from 8 to
192 kHz. Analysis and synthesis both use the square root of a periodic Hann window, whose squares at 50 % overlap sum to one
exactly. For windows longer than two hops, synthesis divides by the sum of the squares (Griffin & Lim, "Signal estimation
from modified short-time Fourier transform", 1984). torch is not imported.
"""

import math
from typing import Any, cast

import numpy as np

from audioae.errors import InputError
from audioae.signal.arrays import Wave, copied, irfft, joined, padded, rfft, swapped, windows

HOP_SECONDS = 0.016
MIN_RATE, MAX_RATE = 8_000, 192_000
BIN_HZ = 1 / (2 * HOP_SECONDS)
"""Spacing of the bins in Hz, exact within 0.35 % at every rate, because the hop is a whole number of samples."""


def hop_length(rate: int, hop_seconds: float = HOP_SECONDS) -> int:
    """Samples between two frames at ``rate`` Hz.

    Raises:
        InputError: the rate is not within 8 to 192 kHz.

    >>> [hop_length(r) for r in (8000, 16000, 44100, 48000)]
    [128, 256, 706, 768]
    """
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"sample rate {rate} Hz is not supported: resample to one from {MIN_RATE} to {MAX_RATE} Hz")
    return round(hop_seconds * rate)


def hops_of(hop_seconds: float, window_seconds: float | None = None) -> int:
    """Number of hops per frame, equal at every rate.

    >>> hops_of(0.016), hops_of(0.02, 0.048), hops_of(0.02, 0.06)
    (2, 3, 3)
    """
    if window_seconds is None:
        return 2
    return max(2, math.ceil(window_seconds / hop_seconds - 1e-6))


def window_length(rate: int, hop_seconds: float = HOP_SECONDS, window_seconds: float | None = None) -> int:
    """Samples per frame, an even number, at most the frame's number of hops.

    Raises:
        InputError: the rate is not within 8 to 192 kHz.

    >>> window_length(16000), window_length(16000, 0.02, 0.048), window_length(11025, 0.016, 0.048)
    (512, 768, 528)
    """
    hop, hops = hop_length(rate, hop_seconds), hops_of(hop_seconds, window_seconds)
    if window_seconds is None or hops == 2:
        return 2 * hop
    return 2 * min(hop_length(rate, window_seconds / 2), hops * hop // 2)


class Framing:
    """Analysis and synthesis at one sample rate, hop by hop or many hops at once. The caller holds the states.

    Args:
        rate: sample rate in Hz, 8 000 to 192 000.
        hop_seconds: time from frame to frame.
        window_seconds: length of a frame, at least two hops, which is the default.

    Attributes:
        hop: samples between frames.
        n_fft: window length in samples, even.
        bins: F, ``n_fft // 2 + 1``.
        late: delay of :meth:`synthesize` in hops, 1 for a window of two hops.

    Raises:
        InputError: unsupported rate.

    Frame t ends with the sample ``(t + 1) * hop``: the first frame contains one hop and zeros before it. ``T``
    hops of input thus give ``T`` frames, and the synthesis of frame t completes the samples up to ``(t + 1 - late) * hop``.
    Streaming therefore has a delay of ``late`` hops.

    >>> framing = Framing(16000)
    >>> past, tail = framing.carry(1, 1), framing.carry(1, 1)
    >>> wave = np.random.default_rng(0).normal(size=(1, 1, 10 * framing.hop)).astype(np.float32)
    >>> spec, past = framing.analyze(wave, past)
    >>> spec.shape
    (1, 1, 257, 10)
    >>> again, tail = framing.synthesize(spec, tail)
    >>> bool(np.allclose(again[..., framing.hop :], wave[..., : -framing.hop], atol=1e-6))
    True
    """

    def __init__(self, rate: int, hop_seconds: float = HOP_SECONDS, window_seconds: float | None = None) -> None:
        self.rate = rate
        self.hop = hop_length(rate, hop_seconds)
        hops = hops_of(hop_seconds, window_seconds)
        self.n_fft = window_length(rate, hop_seconds, window_seconds)
        self.bins = self.n_fft // 2 + 1
        self.late = hops - 1
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.n_fft) / self.n_fft)
        first, second = np.sqrt(hann), np.sqrt(hann)
        if hops > 2:
            squares = np.tile(padded(hann, self._before, 0).reshape(-1, self.hop).sum(0), hops)
            second = second / squares[self._before :]
        self._own_windows = first.astype(np.float32), second.astype(np.float32)

    @property
    def _before(self) -> int:
        """Samples between the start of the first hop of a frame and the start of the frame."""
        return (self.late + 1) * self.hop - self.n_fft

    def _windows(self, like: Wave) -> tuple[Wave, Wave]:
        """The windows of analysis and synthesis, of the type of a wave."""
        return cast(Any, self._own_windows)

    def frames(self, samples: int) -> int:
        """T for a recording of ``samples`` samples: enough to complete the last sample.

        >>> Framing(16000).frames(256), Framing(16000).frames(257)
        (2, 3)
        """
        return math.ceil(samples / self.hop) + self.late

    def carry(self, batch: int, channels: int) -> Any:
        """Initial state of :meth:`analyze` and :meth:`synthesize`: zeros ``(B, C, late * hop)``."""
        return np.zeros((batch, channels, self.late * self.hop), np.float32)

    def analyze(self, wave: Wave, past: Wave) -> tuple[Wave, Wave]:
        """Whole hops ``(B, C, T * hop)`` and the state before them to frames ``(B, C, F, T)`` and the state after them."""
        both = joined([past, wave])
        framed = windows(both[..., self._before :], self.n_fft, self.hop) * self._windows(wave)[0]
        return swapped(rfft(cast(Wave, framed))), copied(cast(Wave, both[..., wave.shape[-1] :]))

    def synthesize(self, spec: Wave, tail: Wave) -> tuple[Wave, Wave]:
        """Frames to whole hops, by overlap-add: spectrum ``(B, C, F, T)`` to wave ``(B, C, T * hop)``, ``late`` hops late.

        ``tail`` is the state: the sum of earlier frames over incomplete hops. The second result is the next state.
        """
        count = spec.shape[-1]
        framed: Any = irfft(swapped(spec), self.n_fft)
        framed = framed * self._windows(tail)[1]
        if self._before:
            framed = padded(framed, self._before, 0)
        hops = framed.reshape(*framed.shape[:-1], self.late + 1, self.hop)  # (B, C, T, late + 1, hop)
        # Sum the hops of the frames, each shifted by its position.
        total: Any = padded(cast(Any, tail.reshape(*tail.shape[:-1], self.late, self.hop)), 0, count, axis=-2)
        if count == 1:
            total = total + hops[..., 0, :, :]
        else:
            for place in range(self.late + 1):
                total = total + padded(hops[..., place, :], place, self.late - place, axis=-2)
        wave, rest = total[..., :count, :], total[..., count:, :]
        # The state owns its memory, because a view would keep the whole wave alive.
        return wave.reshape(*wave.shape[:-2], -1), copied(rest.reshape(*rest.shape[:-2], -1))
