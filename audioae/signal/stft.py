"""Short-time Fourier transform, offline and frame by frame from one implementation.

The transform is defined in seconds, so that one model serves every sample rate: hop = round(0.016 * rate) samples, window
= two hops, unless a model wants longer ones. Bins then stand about 31.25 Hz apart at 8 kHz as at 192 kHz. Analysis and
synthesis both use the square root of a periodic Hann window, whose squares at 50 % overlap add to one exactly (Griffin &
Lim, "Signal estimation from modified short-time Fourier transform", 1984).
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
"""Distance between two bins in Hz; within 0.35 % of this at every rate, since the hop is a whole number of samples."""


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


class STFT(nn.Module):
    """The transform at one sample rate. It has no parameters and keeps no state: the caller holds both carries.

    Args:
        rate: sample rate in Hz, 8 000 to 192 000.
        hop_seconds: time from frame to frame, half of the window.

    Attributes:
        hop: samples between frames.
        n_fft: window length in samples, ``2 * hop``.
        bins: F, ``hop + 1``.

    Raises:
        InputError: unsupported rate.

    Frame t covers the samples ``[(t - 1) * hop, (t + 1) * hop)``: the first frame sees one hop of the past (zeros at the
    beginning), so ``T`` hops of input make exactly ``T`` frames, and the synthesis of frame t completes the samples up to
    ``t * hop``. Streaming therefore lags by one hop; :meth:`forward` and :meth:`inverse` take that delay off.

    >>> stft = STFT(16000)
    >>> wave = torch.randn(1, 1, 4000)
    >>> spec = stft(wave)
    >>> spec.shape
    torch.Size([1, 1, 257, 17])
    >>> torch.allclose(stft.inverse(spec, 4000), wave, atol=1e-6)
    True
    """

    window: Tensor

    def __init__(self, rate: int, hop_seconds: float = HOP_SECONDS) -> None:
        super().__init__()
        self.rate = rate
        self.hop = hop_length(rate, hop_seconds)
        self.n_fft = 2 * self.hop
        self.bins = self.hop + 1
        hann = torch.hann_window(self.n_fft, periodic=True, dtype=torch.float64)
        self.register_buffer("window", hann.sqrt().float(), persistent=False)
        self._window = self.window.numpy()

    def frames(self, samples: int) -> int:
        """T for a recording of ``samples`` samples: enough for the last sample to be complete.

        >>> STFT(16000).frames(256), STFT(16000).frames(257)
        (2, 3)
        """
        return math.ceil(samples / self.hop) + 1

    def carry(self, batch: int, channels: int) -> Tensor:
        """What :meth:`analyze` and :meth:`synthesize` start from: zeros ``(B, C, hop)``."""
        return self.window.new_zeros(batch, channels, self.hop)

    def analyze(self, wave: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Whole hops ``(B, C, T * hop)`` and the hop before them to frames ``(B, C, F, T)`` and the last hop."""
        if wave.shape[-1] == self.hop and _live(wave):
            both = np.concatenate((past.detach().numpy(), wave.detach().numpy()), axis=-1)
            frame = np.fft.rfft(both * self._window)
            return torch.from_numpy(frame).unsqueeze(-1), torch.from_numpy(both[..., self.hop :])
        joined = torch.cat([past, wave], dim=-1)
        framed = joined.unfold(-1, self.n_fft, self.hop) * self.window
        spec = rfft(framed).transpose(-1, -2)
        return spec, joined[..., joined.shape[-1] - self.hop :]

    def synthesize(self, spec: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """Frames to whole hops, by overlap-add: spectrum ``(B, C, F, T)`` to wave ``(B, C, T * hop)``, one hop late.

        ``tail`` is the unfinished half of the frame before; the second result is that of the last frame.
        """
        if spec.shape[-1] == 1 and _live(spec):
            frame = np.fft.irfft(spec.detach().numpy()[..., 0], self.n_fft) * self._window
            return torch.from_numpy(frame[..., : self.hop] + tail.detach().numpy()), torch.from_numpy(frame[..., self.hop :])
        framed = torch.fft.irfft(spec.transpose(-1, -2), n=self.n_fft) * self.window
        first, second = framed.split(self.hop, dim=-1)
        before = torch.cat([tail.unsqueeze(-2), second[..., :-1, :]], dim=-2)
        return (first + before).flatten(-2), second[..., -1, :]

    def forward(self, wave: Tensor) -> Tensor:
        """A whole recording ``(B, C, N)`` to its spectrum ``(B, C, F, T)`` with ``T = frames(N)``."""
        samples = wave.shape[-1]
        padding = self.frames(samples) * self.hop - samples
        padded = nn.functional.pad(wave, (0, padding))
        return self.analyze(padded, self.carry(wave.shape[0], wave.shape[1]))[0]

    def inverse(self, spec: Tensor, samples: int) -> Tensor:
        """A whole spectrum ``(B, C, F, T)`` back to ``(B, C, samples)``, without delay."""
        wave, _ = self.synthesize(spec, self.carry(spec.shape[0], spec.shape[1]))
        return wave[..., self.hop : self.hop + samples]


def _live(x: Tensor) -> bool:
    """Whether numpy transforms one frame ``x``: on a CPU and without gradients, where it does so in half of torch's time."""
    return x.device.type == "cpu" and not torch.is_grad_enabled()
