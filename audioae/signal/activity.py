"""Speech activity: the probability of speech in each frame, from a recording and its cleaned version.

A denoiser has already separated speech from noise, so its output is more informative than the recording itself. The features
are the level of the cleaned sound relative to the highest of the last seconds and to the lowest, and the share of the
recording that the mask kept, in bands and averaged over several spans of time. A network with one hidden layer combines
them. It is causal: a frame's probability depends on this frame and those before it. Silence precedes the first frame.
``tests/benchmarks/speech_fit.py`` fits the weights, which are in ``activity.json``. torch is not imported.
"""

import json
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft  # takes half the time of numpy's

from audioae.signal.arrays import windows
from audioae.signal.framing import HOP_SECONDS
from audioae.signal.products import product

Array = NDArray[np.float32]
FRAME_SECONDS = HOP_SECONDS
"""Length of a frame, to a few samples: a frame has a whole number of samples."""
THIN_RATE = 8_000
"""Samples are averaged in groups to at least this rate, because the features end at 3.9 kHz."""
BAND_BINS = (3, 7, 12, 20, 30, 44, 63, 89, 125)
"""Edges of the bands in bins of 31.25 Hz: about equally wide on the ERB scale, from 94 Hz to 3.9 kHz."""
BANDS = len(BAND_BINS)
"""The bands, and all of them together as the last one."""
FEATURES = 2 * BANDS + 1
"""Of a frame, in units of 10 dB: the cleaned level of each band relative to the highest level of the last seconds, the share
of the recording that the mask kept in each band, and the cleaned level relative to the lowest."""
LEVEL_SPAN = 8
"""Frames over which levels are averaged for the highest and the lowest."""
FALL_DB, RISE_DB = 2.0 * FRAME_SECONDS, 3.0 * FRAME_SECONDS
"""Decibels per frame by which the highest level falls and the lowest one rises."""
QUIET_DB = -60.0
"""The highest level in dBFS before the first frame, below which it does not fall later."""
SILENT_DB = -90.0
"""Power in dBFS that is added to every band, so that digital silence has a level."""
BLOCK_FRAMES = 250
"""Frames of all channels that are computed at a time."""
_LEAST, _MOST = (
    np.array([*(BANDS * [band]), *(BANDS * [mask]), last], np.float32) for band, mask, last in ((-5, -3, -0.5), (1, 0.5, 4))
)
"""Limits of the features."""
_WHOLE = (BANDS - 1, 2 * BANDS - 1, 2 * BANDS)
AVERAGES = tuple(
    (feature, span) for feature in range(FEATURES) for span in ((1, 2, 4, 8, 16, 32) if feature in _WHOLE else (1, 4, 12))
)
"""The averages that the network takes: a feature, and the number of frames, this one and those before it."""
PAST = max(span for _, span in AVERAGES) - 1
WEIGHTS = Path(__file__).with_suffix(".json")


class Weights(NamedTuple):
    """Weights of the network: ``tanh(frames @ kernel + bias) @ out + out_bias``.

    Attributes:
        kernel: weights of all features of this frame and of the ``PAST`` frames before it, ``((PAST + 1) * FEATURES, H)``.
        bias: ``(H,)``.
        out: ``(H,)``.
        out_bias: a number.
    """

    kernel: Array
    bias: Array
    out: Array
    out_bias: np.float32


@lru_cache(maxsize=1)
def weights() -> Weights:
    """The fitted weights. The file has those of averages, one row for each of :data:`AVERAGES`."""
    given = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    hidden = np.asarray(given["hidden"], np.float32)
    kernel = np.zeros((PAST + 1, FEATURES, hidden.shape[1]), np.float32)
    for row, (feature, span) in zip(hidden, AVERAGES, strict=True):
        kernel[-span:, feature] += row / span
    bias, out = (np.asarray(given[name], np.float32) for name in ("bias", "out"))
    return Weights(kernel.reshape(-1, hidden.shape[1]), bias, out, np.float32(given["out_bias"]))


def silence(batch: int, channels: int, frames: int) -> Array:
    """Features of frames of digital silence, ``(B, C, T, FEATURES)``."""
    values = np.zeros((batch, channels, frames, FEATURES), np.float32)
    values[..., :BANDS] = (SILENT_DB - QUIET_DB) / 10
    return values


class ActivityFeatures:
    """Features of every frame of a stream, whatever the chunks, in constant memory.

    Args:
        rate: Hz.

    Attributes:
        frame: samples of a frame, 16 ms.

    >>> features = ActivityFeatures(48000)
    >>> features.feed(np.zeros((1, 2, 48000), np.float32), np.zeros((1, 2, 48000), np.float32)).shape
    (1, 2, 62, 19)
    """

    def __init__(self, rate: int) -> None:
        group = max(1, rate // THIN_RATE)
        self._hop = 4 * round(FRAME_SECONDS * rate / group / 4)  # few sizes have quick transforms
        self.frame = group * self._hop
        self._group = group
        window = np.hanning(2 * self._hop + 1)[:-1]
        self._window = (window / np.sqrt(np.square(window).sum() * self._hop)).astype(np.float32)
        bands = np.zeros((self._hop + 1, BANDS), np.float32)
        for band, (first, end) in enumerate(pairwise(BAND_BINS)):
            bands[first:end, [band, BANDS - 1]] = 1
        self._bands = bands.repeat(2, axis=0)  # for real and imaginary parts
        self._held = np.zeros((2, 1, 1, 0), np.float32)
        self._tail: Array | None = None
        self._levels: Array | None = None
        self._highest: Array = np.full((1, 1), QUIET_DB, np.float32)
        self._lowest: Array = np.full((1, 1, 1), np.inf, np.float32)

    def feed(self, noisy: Array, clean: Array) -> Array:
        """Take a chunk ``(B, C, N)`` of the recording and its cleaned version; return features ``(B, C, T, FEATURES)``."""
        both = np.stack((noisy, clean), dtype=np.float32, casting="same_kind")
        if self._held.shape[-1]:
            both = np.concatenate((self._held, both), axis=-1)
        whole = both.shape[-1] // self.frame * self.frame
        self._held = both[..., whole:].copy()
        if not whole:
            return silence(both.shape[1], both.shape[2], 0)
        return self._block(both[..., :whole])

    def flush(self) -> Array:
        """The features of the last frame, if samples of it are held, which zeros fill."""
        zeros = np.zeros((*self._held.shape[1:3], -self._held.shape[-1] % self.frame), np.float32)
        return self.feed(zeros, zeros)

    def _powers(self, samples: Array) -> Array:
        """Whole frames ``(2, B, C, T * frame)`` to powers of the bands ``(2, B, C, T, BANDS)``."""
        thin = samples[..., :: self._group]
        for place in range(1, self._group):
            thin = thin + samples[..., place :: self._group]
        thin = thin / np.float32(self._group)
        tail = np.zeros((*thin.shape[:3], self._hop), np.float32) if self._tail is None else self._tail
        self._tail = thin[..., -self._hop :].copy()
        hops = thin.reshape(*thin.shape[:3], -1, self._hop)
        before = np.concatenate((tail[..., None, :], hops[..., :-1, :]), axis=-2)
        framed = np.concatenate((before, hops), axis=-1)
        framed *= self._window
        parts = rfft(framed, overwrite_x=True).view(np.float32)
        parts *= parts
        return product(parts, self._bands)

    def _block(self, samples: Array) -> Array:
        levels = 10 * np.log10(self._powers(samples) + np.float32(10 ** (SILENT_DB / 10)))
        clean = levels[1]
        highest, lowest = self._extremes(clean[..., -1])
        made = np.empty((*clean.shape[:3], FEATURES), np.float32)
        made[..., :BANDS] = clean - highest[:, None, :, None]
        made[..., BANDS:-1] = clean - levels[0]
        made[..., -1] = clean[..., -1] - lowest
        made /= 10
        return np.minimum(np.maximum(made, _LEAST, out=made), _MOST, out=made)

    def _extremes(self, levels: Array) -> tuple[Array, Array]:
        """Levels ``(B, C, T)`` to the peak over channels, falling slowly, and the minimum per channel, rising slowly."""
        if self._levels is None:
            self._levels = levels[..., :1].repeat(LEVEL_SPAN - 1, axis=-1)
        both = np.concatenate((self._levels, levels), axis=-1)
        self._levels = both[..., 1 - LEVEL_SPAN :].copy()
        sums = np.cumsum(both, axis=-1, dtype=np.float64)
        sums[..., LEVEL_SPAN:] -= sums[..., :-LEVEL_SPAN].copy()
        smooth = (sums[..., LEVEL_SPAN - 1 :] / LEVEL_SPAN).astype(np.float32)
        steps = np.arange(1, smooth.shape[-1] + 1, dtype=np.float32)
        fall, rise = np.float32(FALL_DB) * steps, np.float32(RISE_DB) * steps
        rises = np.maximum.accumulate(smooth.max(1) + fall, axis=-1)
        highest: Array = np.maximum(np.maximum(rises, self._highest) - fall, np.float32(QUIET_DB))
        falls = np.minimum.accumulate(smooth - rise, axis=-1)
        lowest: Array = np.minimum(falls, self._lowest) + rise
        self._highest, self._lowest = highest[..., -1:], lowest[..., -1:]
        return highest, lowest


class SpeechActivity:
    """The probability of speech in every frame of a stream. It is the same whatever the chunks, to rounding.

    Args:
        rate: Hz.

    Attributes:
        frame: samples of a frame, 16 ms.

    >>> activity = SpeechActivity(16000)
    >>> quiet = np.zeros((1, 1, 1000), np.float32)
    >>> activity.feed(quiet, quiet).shape, activity.flush().shape
    ((1, 3), (1, 1))
    """

    def __init__(self, rate: int) -> None:
        self._features = ActivityFeatures(rate)
        self.frame = self._features.frame
        self._past: Array | None = None

    def feed(self, noisy: Array, clean: Array) -> Array:
        """Take a chunk of the recording and its cleaned version, sample by sample of the same moments.

        Args:
            noisy: ``(B, C, N)``.
            clean: of the same shape.

        Returns:
            Probabilities ``(B, T)`` of the frames that are complete, the highest of the channels. Value k of the stream is
            that of the samples from ``k * frame`` to ``(k + 1) * frame``.
        """
        step = self.frame * max(1, BLOCK_FRAMES // max(1, noisy.shape[0] * noisy.shape[1]))
        parts = [slice(at, at + step) for at in range(0, max(1, noisy.shape[-1]), step)]
        made = [self._probabilities(self._features.feed(noisy[..., each], clean[..., each])) for each in parts]
        return made[0] if len(made) == 1 else np.concatenate(made, axis=-1)

    def flush(self) -> Array:
        """End the stream: the probability of the last, incomplete frame ``(B, T)``, if there is one."""
        return self._probabilities(self._features.flush())

    def _probabilities(self, features: Array) -> Array:
        batch, channels, frames, _ = features.shape
        if not frames:
            return np.zeros((batch, 0), np.float32)
        past = silence(batch, channels, PAST) if self._past is None else self._past
        both = np.concatenate((past, features), axis=2)
        self._past = both[:, :, -PAST:].copy()
        seen = windows(both.reshape(batch, channels, -1), (PAST + 1) * FEATURES, FEATURES)
        own = weights()
        scores = np.tanh(product(np.ascontiguousarray(seen), own.kernel) + own.bias) @ own.out + own.out_bias
        return np.asarray(1 / (1 + np.exp(-scores.max(1))), np.float32)
