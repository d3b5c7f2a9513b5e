"""One pass of a model over waves, in chunks of any length. Whole arrays, files, live audio and training all use it."""

from typing import TYPE_CHECKING, Generic

import numpy as np

from audioae.errors import InputError
from audioae.nn.fade import Fade, mixed
from audioae.nn.strength import Strength
from audioae.signal.arrays import Wave, copied, joined, part, zeros

if TYPE_CHECKING:
    from audioae.nn.streaming import Streaming


class Stream(Generic[Wave]):
    """Collects chunks to whole hops, runs the model's ``step`` on them, and removes its delay.

    The result has as many samples as the input, without delay. Gradients pass. Only the shape of the chunks is checked.

    Args:
        model: the model to run.
        rate: Hz.
        strength: strength of the noise reduction at the beginning.
        linked: one mask for all channels, or one for each.
        pairs: keep :attr:`pair`.

    Attributes:
        hop: ``step`` takes multiples of this number of samples.
        delay: samples by which the result of ``step`` lags.
        fade: its ``strength`` may be changed between chunks.
        pair: the input and the cleaned result without any of the input, for the samples that :meth:`feed` returned last.
        state: state of the STFT and the model, a flat dict of arrays or tensors; None before the first chunk.

    >>> import audioae, torch
    >>> stream = Stream(audioae.load("conv_dae"), 16000, Strength(), linked=True)
    >>> wave = torch.zeros(1, 1, 1000)
    >>> stream.feed(wave).shape, stream.feed(wave, last=True).shape
    (torch.Size([1, 1, 512]), torch.Size([1, 1, 1488]))
    """

    def __init__(self, model: "Streaming[Wave]", rate: int, strength: Strength, linked: bool, pairs: bool = False) -> None:
        self.model, self.rate, self.linked = model, rate, linked
        self.hop, self.delay = model.hop(rate), model.delay(rate)
        self.fade = Fade(strength, self.hop, self.delay)
        self.pair: tuple[Wave, Wave] | None = None
        self._pairs = pairs
        self.state: dict[str, Wave] | None = None
        self._rest: list[Wave] = []  # of the last chunks, less than a hop
        self._held = 0  # samples in _rest
        self._lead = self.delay  # samples of the next results that lie before the first sample of the stream
        self._missing = 0  # samples that were fed and not yet returned

    def feed(self, wave: Wave, last: bool = False) -> Wave:
        """Take a chunk ``(B, C, N)``, which may be empty, and return the samples that are ready, ``(B, C, M)``.

        Args:
            wave: of the type that the model takes, on its device.
            last: end the stream and return all remaining samples. No other chunk may follow.

        Raises:
            InputError: another batch or other channels than before.
            ModelFileError: the model's weights are not float32.
        """
        batch, channels, samples = wave.shape
        if self.state is None:
            self.state = self.model.initial_state(batch, channels, self.rate, self.linked)
            self._rest = [copied(part(wave, 0, 0))]
        before, now = tuple(self._rest[0].shape[:2]), (batch, channels)
        if before != now:
            raise InputError(f"chunk of (batch, channels) {now} in a stream of {before}: call reset() to begin another")
        self.fade.feed(samples)
        self._missing += samples
        if last and self._missing:
            wave = joined([wave, zeros(wave, batch, channels, -(self._held + samples) % self.hop + self.delay)])
        held = self._held + wave.shape[-1]
        if held < self.hop:
            if samples:
                # A copy, because the caller may reuse the chunk's memory, and a view would keep all of it alive.
                self._rest.append(copied(wave))
            self._held = held
            return self._ready(part(wave, 0, 0), part(wave, 0, 0), part(wave, 0, 0))
        both = joined([*self._rest, wave]) if self._held else wave
        whole = held // self.hop * self.hop
        self._rest, self._held = [copied(part(both, whole, held))], held - whole
        shares = self.fade.shares(whole)
        hops = part(both, 0, whole)
        if not self._pairs:
            ready, self.state = self.model.step(hops, self.state, self.rate, shares, self.linked)
            return self._ready(ready)
        clean, noisy, self.state = self.model.pair(hops, self.state, self.rate, self.linked)
        return self._ready(mixed(clean, noisy, shares), noisy, clean)

    def _ready(self, result: Wave, *pair: Wave) -> Wave:
        """The model's next samples without those before the start of the stream; also keeps the pair, if there is one."""
        early = min(self._lead, result.shape[-1])
        self._lead -= early
        end = min(early + self._missing, result.shape[-1])
        self._missing -= end - early
        if pair:
            self.pair = part(pair[0], early, end), part(pair[1], early, end)
        return part(result, early, end)

    def flush(self) -> Wave:
        """End the stream and return all remaining samples."""
        if not self._rest:
            return self.model.taken(np.zeros((1, 1, 0), np.float32))
        return self.feed(part(self._rest[0], 0, 0), last=True)
