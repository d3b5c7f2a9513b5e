"""One pass of a model over waves, in chunks of any length. Whole arrays, files, live audio and training all use it."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from audioae.errors import InputError
from audioae.nn.fade import Fade

if TYPE_CHECKING:
    from audioae.nn.trained import State, StreamingModel, Strength


class Stream:
    """Collects chunks until there are whole hops, runs the model's ``step`` on them, and removes its delay.

    As many samples come out as went in, without delay. Gradients pass, and nothing is checked but the shape of the chunks.

    Args:
        model: what runs.
        rate: Hz.
        strength: strength of the noise reduction at the beginning.
        linked: one mask for all channels, or one for each.

    Attributes:
        hop: samples of which ``step`` takes a whole multiple.
        delay: samples by which the result of ``step`` lags.
        fade: its ``strength`` may be changed between chunks.
        state: state of the STFT and the model, a flat dict of tensors; None before the first chunk.

    >>> import audioae
    >>> from audioae.nn.trained import Strength
    >>> stream = Stream(audioae.load("conv_dae"), 16000, Strength(), linked=True)
    >>> wave = torch.zeros(1, 1, 1000)
    >>> stream.feed(wave).shape, stream.feed(wave, last=True).shape
    (torch.Size([1, 1, 512]), torch.Size([1, 1, 1488]))
    """

    def __init__(self, model: "StreamingModel", rate: int, strength: "Strength", linked: bool) -> None:
        self.model, self.rate, self.linked = model, rate, linked
        self.hop, self.delay = model.hop(rate), model.delay(rate)
        self.fade = Fade(strength, self.hop, self.delay)
        self.state: State | None = None
        self._rest: list[Tensor] = []  # of the last chunks, less than a hop
        self._held = 0  # samples in _rest
        self._lead = self.delay  # samples of the next results that lie before the first sample of the stream
        self._missing = 0  # samples that were fed and have not come out

    def feed(self, wave: Tensor, last: bool = False) -> Tensor:
        """Take a chunk ``(B, C, N)``, which may be empty, and return what is ready, ``(B, C, M)``.

        Args:
            wave: on the model's device.
            last: end the stream: return all that is missing. No other chunk may follow.

        Raises:
            InputError: another batch or other channels than before.
            ModelFileError: the model's weights are not float32.
        """
        batch, channels, samples = wave.shape
        if self.state is None:
            self.state = self.model.initial_state(batch, channels, self.rate, self.linked)
            self._rest = [wave[..., :0].clone()]
        before, now = tuple(self._rest[0].shape[:2]), (batch, channels)
        if before != now:
            raise InputError(f"chunk of (batch, channels) {now} in a stream of {before}: call reset() to begin another")
        self.fade.feed(samples)
        self._missing += samples
        if last and self._missing:
            zeros = wave.new_zeros(batch, channels, -(self._held + samples) % self.hop + self.delay)
            wave = torch.cat([wave, zeros], dim=-1)
        held = self._held + wave.shape[-1]
        if held < self.hop:
            if samples:
                # A copy, because the caller may reuse the chunk's memory, and a view would keep all of it alive.
                self._rest.append(wave.clone())
            self._held = held
            return wave[..., :0]
        joined = torch.cat([*self._rest, wave], dim=-1) if self._held else wave
        whole = held // self.hop * self.hop
        self._rest, self._held = [joined[..., whole:].clone()], held - whole
        ready, self.state = self.model.step(joined[..., :whole], self.state, self.rate, self.fade.shares(whole), self.linked)
        early = min(self._lead, ready.shape[-1])
        self._lead -= early
        ready = ready[..., early : early + self._missing]
        self._missing -= ready.shape[-1]
        return ready

    def flush(self) -> Tensor:
        """End the stream: return all that is missing."""
        return self.feed(self._rest[0][..., :0], last=True) if self._rest else torch.zeros(1, 1, 0)
