"""Short-time Fourier transform by torch, one implementation for offline and streaming use."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from audioae.signal.arrays import Wave, as_array
from audioae.signal.framing import HOP_SECONDS, Framing


class STFT(nn.Module, Framing):
    """:class:`~audioae.signal.framing.Framing` on tensors, with gradients and on any device. It has no parameters.

    Args:
        rate: sample rate in Hz, 8 000 to 192 000.
        hop_seconds: time from frame to frame.
        window_seconds: length of a frame, at least two hops, which is the default.

    Attributes:
        hop: samples between frames.
        n_fft: window length in samples, even.
        bins: F, ``n_fft // 2 + 1``.
        late: delay of :meth:`synthesize` in hops, 1 for a window of two hops; :meth:`inverse` removes it.

    Raises:
        InputError: unsupported rate.

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
        nn.Module.__init__(self)
        Framing.__init__(self, rate, hop_seconds, window_seconds)
        for name, values in zip(("window", "dual"), self._own_windows, strict=True):
            self.register_buffer(name, torch.from_numpy(values.copy()), persistent=False)

    def _windows(self, like: Wave) -> tuple[Wave, Wave]:
        return cast(Any, (self.window, self.dual) if isinstance(like, Tensor) else self._own_windows)

    def carry(self, batch: int, channels: int) -> Tensor:
        """Initial state of :meth:`analyze` and :meth:`synthesize`: zeros ``(B, C, late * hop)``."""
        return self.window.new_zeros(batch, channels, self.late * self.hop)

    def analyze(self, wave: Wave, past: Wave) -> tuple[Wave, Wave]:
        """Whole hops ``(B, C, T * hop)`` and the state before them to frames ``(B, C, F, T)`` and the state after them."""
        if wave.shape[-1] == self.hop and _live(wave):
            return _tensors(Framing.analyze(self, as_array(wave), as_array(past)))
        return Framing.analyze(self, wave, past)

    def synthesize(self, spec: Wave, tail: Wave) -> tuple[Wave, Wave]:
        """Frames to whole hops, by overlap-add: spectrum ``(B, C, F, T)`` to wave ``(B, C, T * hop)``, ``late`` hops late.

        ``tail`` is the state: the sum of earlier frames over incomplete hops. The second result is the next state.
        """
        if spec.shape[-1] == 1 and _live(spec):
            return _tensors(Framing.synthesize(self, as_array(spec), as_array(tail)))
        return Framing.synthesize(self, spec, tail)

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


def _live(x: Wave) -> bool:
    """Whether to use numpy for one frame: on a CPU without gradients it takes half of torch's time."""
    return isinstance(x, Tensor) and x.device.type == "cpu" and not torch.is_grad_enabled()


def _tensors(pair: tuple[Any, Any]) -> Any:
    first, second = pair
    return torch.from_numpy(first), torch.from_numpy(second)
