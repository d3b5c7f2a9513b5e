"""The engine: a model from waves to waves, hop by hop or many hops at once, with any library that runs its network.

torch is not imported; waves are arrays or tensors, whichever the model takes.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from audioae.audio.layout import AnyWave, Audio, checked, finite_or_warn, to_wave, whole_rate
from audioae.errors import InputError
from audioae.nn.fade import mixed
from audioae.nn.stream import Stream
from audioae.nn.strength import FULL, Strength, is_linked
from audioae.signal.arrays import Wave, copied, joined, mean, zeros
from audioae.signal.framing import Framing


class Network(Protocol[Wave]):
    """A network from noisy to clean spectra, frame by frame.

    Attributes:
        delay: delay of the output in frames.
        receptive_field: number of frames that an output frame depends on, itself included; None if unbounded.
    """

    delay: int
    receptive_field: int | None

    def initial_state(self, batch: int, channels: int, bins: int) -> dict[str, Wave]:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""

    def __call__(self, spec: Wave, state: dict[str, Wave], /) -> tuple[Wave, dict[str, Wave]]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it."""


@dataclass(frozen=True)
class Part(Generic[Wave]):
    """One network with its transform."""

    framing: Framing
    network: Network[Wave]

    @property
    def delay(self) -> int:
        """Delay in samples: the overlap of the frames and the network's look-ahead."""
        return self.framing.hop * (self.framing.late + self.network.delay)

    @property
    def receptive_field(self) -> int | None:
        """Receptive field in samples, looking back; None if unbounded."""
        field = self.network.receptive_field
        return None if field is None else (field + self.framing.late) * self.framing.hop

    def initial_state(self, batch: int, channels: int, linked: bool) -> dict[str, Wave]:
        """State before the first sample."""
        streams = (batch, channels) if linked else (batch * channels, 1)
        state = {f"model.{k}": v for k, v in self.network.initial_state(*streams, self.framing.bins).items()}
        carry = self.framing.carry
        return state | {"analysis": carry(batch, channels), "synthesis": carry(batch, channels)}

    def step(self, wave: Wave, state: dict[str, Wave], linked: bool) -> tuple[Wave, dict[str, Wave]]:
        """Whole hops ``(B, C, T * hop)`` to the cleaned ones, late by :attr:`delay`, and the next state."""
        after: dict[str, Wave] = {}
        spec, after["analysis"] = self.framing.analyze(wave, state["analysis"])
        streams = spec if linked else cast(Wave, spec.reshape(-1, 1, *spec.shape[2:]))
        inner = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
        clean, inner = self.network(streams, inner)
        after |= {f"model.{k}": v for k, v in inner.items()}
        result, after["synthesis"] = self.framing.synthesize(
            clean if linked else cast(Wave, clean.reshape(spec.shape)), state["synthesis"]
        )
        return result, after


class Streaming(Generic[Wave]):
    """Base of models from waves to waves, whole or in chunks, at 8 to 192 kHz and with any number of channels.

    Attributes:
        name: name of the model, for messages.
    """

    name: str

    def parts(self, rate: int) -> Sequence[Part[Wave]]:
        """The network with its transform at ``rate`` Hz, or those of an ensemble, whose hops are equal.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        raise NotImplementedError

    def taken(self, wave: AnyWave) -> Wave:
        """Convert a wave of either library to the one that :meth:`step` takes."""
        raise NotImplementedError

    def checked(self, wave: Wave) -> Wave:
        """Check that a result of this model is finite.

        Raises:
            ModelFileError: samples are NaN or infinite.
        """
        return checked(wave, self.name)

    @property
    def rebuilds_noise(self) -> bool:
        """Whether the model was not trained to remove noise."""
        return False

    @property
    def restores(self) -> bool:
        """Whether the model was trained on damaged speech, and keeps noise."""
        return False

    @property
    def takes_batches(self) -> bool:
        """Whether several recordings at a time are faster."""
        return False

    def inference(self) -> AbstractContextManager[object]:
        """The context in which live sound and files are cleaned."""
        return nullcontext()

    def hop(self, rate: int) -> int:
        """Hop in samples; :meth:`step` takes whole hops.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        return self.parts(rate)[0].framing.hop

    def receptive_field_samples(self, rate: int) -> int | None:
        """Receptive field in samples, looking back; None if unbounded."""
        fields = [part.receptive_field for part in self.parts(rate)]
        return None if None in fields else max(each for each in fields if each is not None)

    def delay(self, rate: int) -> int:
        """Delay of :meth:`step` in samples: overlap of the STFT and look-ahead; of an ensemble, its members' largest."""
        return max(part.delay for part in self.parts(rate))

    def initial_state(self, batch: int, channels: int, rate: int, linked: bool = True) -> dict[str, Wave]:
        """State before the first sample of waves ``(batch, channels, N)``: a flat dict of zeros."""
        parts = self.parts(rate)
        most = max(part.delay for part in parts)
        state: dict[str, Wave] = {}
        for prefix, part in _named(parts):
            own = part.initial_state(batch, channels, linked)
            if prefix:
                own["wait"] = zeros(own["analysis"], batch, channels, most - part.delay)
            state |= {prefix + name: value for name, value in own.items()}
        like = next(value for name, value in state.items() if name.endswith("analysis"))
        return state | {"noisy": zeros(like, batch, channels, most)}

    def step(
        self,
        wave: Wave,
        state: dict[str, Wave],
        rate: int,
        strength: Strength | NDArray[np.float32] = FULL,
        linked: bool = True,
    ) -> tuple[Wave, dict[str, Wave]]:
        """One forward pass over whole hops, with a delay of :meth:`delay` samples.

        Args:
            wave: ``(B, C, T * hop)``, finite.
            state: from :meth:`initial_state` or the previous step.
            rate: Hz.
            strength: strength of the noise reduction, or the share of the input in each sample of the result, ``(T * hop,)``
                or ``(B, 1, T * hop)``.
            linked: one mask for all channels, which keeps the stereo image, or one per channel.

        Returns:
            The cleaned wave ``(B, C, T * hop)``, delayed by :meth:`delay`, and the next state.

        Raises:
            InputError: the length of the wave is not a whole number of hops.
        """
        with self._threads(math.prod(wave.shape), rate):
            clean, noisy, after = self._pair(wave, state, rate, linked)
            return mixed(clean, noisy, strength), after

    def pair(self, wave: Wave, state: dict[str, Wave], rate: int, linked: bool = True) -> tuple[Wave, Wave, dict[str, Wave]]:
        """:meth:`step` without the input in the result, and the input at the same moments.

        Returns:
            The cleaned wave ``(B, C, T * hop)``, delayed by :meth:`delay`, the input with this delay, and the next state.

        Raises:
            InputError: the length of the wave is not a whole number of hops.
        """
        with self._threads(math.prod(wave.shape), rate):
            return self._pair(wave, state, rate, linked)

    def _pair(self, wave: Wave, state: dict[str, Wave], rate: int, linked: bool) -> tuple[Wave, Wave, dict[str, Wave]]:
        parts, samples = self.parts(rate), wave.shape[-1]
        hop = parts[0].framing.hop
        if samples % hop:
            raise InputError(f"{samples} samples are not a whole number of hops of {hop}: feed a Streamer")
        results: list[Wave] = []
        after: dict[str, Wave] = {}
        for prefix, part in _named(parts):
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            result, later = part.step(wave, own, linked)
            if "wait" in own:  # members with a smaller delay are delayed
                result, later["wait"] = _late(own["wait"], result)
            results.append(result)
            after |= {prefix + name: value for name, value in later.items()}
        noisy, after["noisy"] = _late(state["noisy"], wave)
        return mean(results), noisy, after

    def _threads(self, samples: int, rate: int) -> AbstractContextManager[None]:
        """Limits the threads of a step over so many samples."""
        return nullcontext()

    def clean(self, wave: Wave, rate: int, strength: Strength = FULL, linked: bool = True) -> Wave:
        """A whole wave ``(B, C, N)`` to its cleaned ``(B, C, N)``, without delay. Gradients pass."""
        return Stream(self, rate, strength, linked).feed(wave, last=True)

    def recording(
        self,
        audio: Audio,
        rate: int,
        atten_limit: float | None = None,
        mix: float = 1.0,
        channels: str = "linked",
    ) -> Audio:
        """Clean a recording that fits in memory.

        Args:
            audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; floats in [-1, 1], or int16.
            rate: sample rate in Hz, 8 000 to 192 000.
            atten_limit: largest attenuation in dB.
            mix: 1 for the cleaned signal, 0 for the input, or between.
            channels: ``linked`` for one mask on all channels, ``independent`` for one each.

        Returns:
            The cleaned recording, of the same type, shape, dtype and device.

        Raises:
            InputError: an unusable array, rate or setting.
            ModelFileError: the model gives samples that are not finite.

        Warns:
            AudioaeWarning: NaN or infinite samples, which are taken as zero.
        """
        wave, back = to_wave(audio)
        strength, linked = Strength(atten_limit, mix), is_linked(channels)
        clean = self.clean(self.taken(finite_or_warn(wave)), whole_rate(rate), strength, linked)
        return back(self.checked(clean))


def _named(parts: Sequence[Part[Wave]]) -> list[tuple[str, Part[Wave]]]:
    """Parts with the prefixes of the names of their states."""
    return [(f"members.{number}." if len(parts) > 1 else "", part) for number, part in enumerate(parts)]


def _late(held: Any, new: Any) -> tuple[Any, Any]:
    """The new samples, delayed by those that were held, and those that are held next."""
    both = joined([held, new])
    count = new.shape[-1]
    return both[..., :count], copied(both[..., count:])
