"""Short-time Fourier transform, one implementation for offline and streaming use.

The transform is defined in seconds, so that one model serves every sample rate: hop = round(0.016 * rate) samples, window
= two hops by default. Bins are then spaced by about 31.25 Hz from 8 to 192 kHz. Analysis and synthesis both use the square
root of a periodic Hann window, whose squares at 50 % overlap sum to one exactly. For windows longer than two hops, synthesis
divides by the sum of the squares (Griffin & Lim, "Signal estimation from modified
short-time Fourier transform", 1984).
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from audioae.errors import InputError
from audioae.signal.fourier import rfft

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


class STFT(nn.Module):
    """The transform at one sample rate. It has no parameters; the caller holds the states of analysis and synthesis.

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
    Streaming therefore has a delay of ``late`` hops, which :meth:`forward` and :meth:`inverse` remove.

    >>> stft = STFT(16000)
    >>> wave = torch.randn(1, 1, 4000)
    >>> spec = stft(wave)
    >>> spec.shape
    torch.Size([1, 1, 257, 17])
    >>> torch.allclose(stft.inverse(spec, 4000), wave, atol=1e-6)
    True
    """

    window: Tensor
    dual: Tensor

    def __init__(self, rate: int, hop_seconds: float = HOP_SECONDS, window_seconds: float | None = None) -> None:
        super().__init__()
        self.rate = rate
        self.hop = hop_length(rate, hop_seconds)
        hops = hops_of(hop_seconds, window_seconds)
        self.n_fft = window_length(rate, hop_seconds, window_seconds)
        self.bins = self.n_fft // 2 + 1
        self.late = hops - 1
        hann = torch.hann_window(self.n_fft, periodic=True, dtype=torch.float64)
        window, dual = hann.sqrt(), hann.sqrt()
        if hops > 2:
            squares = nn.functional.pad(hann, (self._before, 0)).view(-1, self.hop).sum(0).repeat(self.late + 1)
            dual = dual / squares[self._before :]
        self.register_buffer("window", window.float(), persistent=False)
        self.register_buffer("dual", dual.float(), persistent=False)
        self._window, self._dual = self.window.numpy(), self.dual.numpy()

    @property
    def _before(self) -> int:
        """Samples between the start of the first hop of a frame and the start of the frame."""
        return (self.late + 1) * self.hop - self.n_fft

    def frames(self, samples: int) -> int:
        """T for a recording of ``samples`` samples: enough to complete the last sample.

        >>> STFT(16000).frames(256), STFT(16000).frames(257)
        (2, 3)
        """
        return math.ceil(samples / self.hop) + self.late

    def carry(self, batch: int, channels: int) -> Tensor:
        """Initial state of :meth:`analyze` and :meth:`synthesize`: zeros ``(B, C, late * hop)``."""
        return self.window.new_zeros(batch, channels, self.late * self.hop)

    def analyze(self, wave: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Whole hops ``(B, C, T * hop)`` and the state before them to frames ``(B, C, F, T)`` and the state after them."""
        if wave.shape[-1] == self.hop and _live(wave):
            both = np.concatenate((past.detach().numpy(), wave.detach().numpy()), axis=-1)
            frame = np.fft.rfft(both[..., self._before :] * self._window)
            return torch.from_numpy(frame).unsqueeze(-1), torch.from_numpy(both[..., self.hop :].copy())
        joined = torch.cat([past, wave], dim=-1)
        framed = joined[..., self._before :].unfold(-1, self.n_fft, self.hop) * self.window
        spec = rfft(framed).transpose(-1, -2)
        return spec, joined[..., joined.shape[-1] - past.shape[-1] :].clone()

    def synthesize(self, spec: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Frames to whole hops, by overlap-add: spectrum ``(B, C, F, T)`` to wave ``(B, C, T * hop)``, ``late`` hops late.

        ``tail`` is the state: the sum of earlier frames over incomplete hops. The second result is the next state.
        """
        if spec.shape[-1] == 1 and _live(spec):
            frame = np.fft.irfft(spec.detach().numpy()[..., 0], self.n_fft) * self._dual
            if self._before:
                frame = np.pad(frame, [(0, 0)] * (frame.ndim - 1) + [(self._before, 0)])
            frame[..., : -self.hop] += tail.detach().numpy()
            return torch.from_numpy(frame[..., : self.hop]), torch.from_numpy(frame[..., self.hop :].copy())
        framed = torch.fft.irfft(spec.transpose(-1, -2), n=self.n_fft) * self.dual
        if self._before:
            framed = nn.functional.pad(framed, (self._before, 0))
        hops = framed.unflatten(-1, (self.late + 1, self.hop))  # (B, C, T, late + 1, hop)
        # Sum the hops of the frames, each shifted by its position.
        total = nn.functional.pad(tail.unflatten(-1, (self.late, self.hop)), (0, 0, 0, spec.shape[-1]))
        for place in range(self.late + 1):
            total = total + nn.functional.pad(hops[..., place, :], (0, 0, place, self.late - place))
        # The state owns its memory, because a view would keep the whole wave alive.
        return total[..., : spec.shape[-1], :].flatten(-2), total[..., spec.shape[-1] :, :].flatten(-2).clone()

    def forward(self, wave: Tensor) -> Tensor:
        """A whole recording ``(B, C, N)`` to its spectrum ``(B, C, F, T)`` with ``T = frames(N)``."""
        samples = wave.shape[-1]
        padding = self.frames(samples) * self.hop - samples
        padded = nn.functional.pad(wave, (0, padding))
        return self.analyze(padded, self.carry(wave.shape[0], wave.shape[1]))[0]

    def inverse(self, spec: Tensor, samples: int) -> Tensor:
        """A whole spectrum ``(B, C, F, T)`` back to ``(B, C, samples)``, without delay."""
        wave, _ = self.synthesize(spec, self.carry(spec.shape[0], spec.shape[1]))
        start = self.late * self.hop
        return wave[..., start : start + samples]


def _live(x: Tensor) -> bool:
    """Whether to use numpy for one frame: on a CPU without gradients it takes half of torch's time."""
    return x.device.type == "cpu" and not torch.is_grad_enabled()
