"""Bases of the models that :func:`audioae.load` returns: a network with its settings and its name.

:class:`TrainedModel` is the base of every family's class, :class:`StreamingModel` of those that take waves to waves.
"""

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audioae.audio.layout import Audio, finite, finite_or_warn, to_wave, whole_rate
from audioae.errors import InputError, ModelFileError
from audioae.nn.settings import ModelConfig
from audioae.nn.stream import Stream
from audioae.settings.registry import find
from audioae.signal.framing import hop_length
from audioae.signal.stft import STFT
from audioae.system.threads import for_sound

State = dict[str, Tensor]


@dataclass(frozen=True)
class Strength:
    """Strength of the noise reduction, for whole recordings and streams alike.

    Args:
        atten_limit: largest attenuation in dB: the noisy input remains in the result at this level. None for no limit.
        mix: share of the cleaned signal: 1 for the cleaned signal, 0 for the input.

    Raises:
        InputError: a negative limit, or a mix outside 0 to 1.

    >>> round(Strength(atten_limit=20).dry, 6)
    0.1
    """

    atten_limit: float | None = None
    mix: float = 1.0

    def __post_init__(self) -> None:
        if self.atten_limit is not None and not self.atten_limit >= 0:
            raise InputError(f"attenuation limit {self.atten_limit} dB: give 0 or more, or none for no limit")
        if not 0 <= self.mix <= 1:
            raise InputError(f"mix {self.mix}: give a number from 0 (input) to 1 (cleaned)")

    @property
    def dry(self) -> float:
        """Share of the noisy input in the result."""
        floor = 0.0 if self.atten_limit is None else 10 ** (-self.atten_limit / 20)
        return 1 - self.mix * (1 - floor)


FULL = Strength()


class SpectralNetwork(nn.Module):
    """Base of networks from noisy to clean spectra, frame by frame.

    Attributes:
        delay: delay of the output in frames.
        receptive_field: number of frames that an output frame depends on, itself included; None if unbounded.
    """

    delay: int = 0
    receptive_field: int | None = None

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""
        raise NotImplementedError

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it."""
        raise NotImplementedError


class TrainedModel(nn.Module):
    """A network with its settings.

    Args:
        settings: settings of the network.
        name: name of the model, for messages.
        network: the network; built from the settings by default.

    Attributes:
        recipe_text: the recipe that the model was trained with, as text; empty if unknown.
    """

    settings: ModelConfig
    network: nn.Module

    def __init__(self, settings: ModelConfig, name: str = "untrained", network: nn.Module | None = None) -> None:
        super().__init__()
        self.settings, self.name = settings, name
        self.recipe_text = ""
        self.network = find(settings.kind, f"{settings.family}.models").Model(settings) if network is None else network
        self._transforms: dict[int, STFT] = {}

    @property
    def device(self) -> torch.device:
        """Device of the weights. Waves are moved there, and results back."""
        for values in (self.network.parameters(), self.network.buffers()):
            for each in values:
                return each.device
        return torch.device("cpu")

    def fingerprint(self) -> str:
        """Hash of all weights, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for name, value in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def check_precision(self) -> None:
        """Reject weights that are not float32, the type of waves and spectra.

        Raises:
            ModelFileError: ``half()``, ``double()`` or the like was called.
        """
        dtype = next((each.dtype for each in self.network.parameters()), torch.float32)
        if dtype != torch.float32:
            raise ModelFileError(f"{self.name}: its weights are {dtype}: call float(), for models run in torch.float32")

    def transform(self, rate: int) -> STFT:
        """The STFT at ``rate`` Hz, on the model's device.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        stft = self._transforms.get(rate)
        if stft is None or stft.window.device != self.device:
            with torch.inference_mode(False):  # cached, and also used in training
                settings = self.settings
                stft = STFT(rate, settings.hop_seconds, settings.window_seconds).to(self.device)
                self._transforms[rate] = stft
        return stft

    def checked(self, wave: Tensor) -> Tensor:
        """Check that a result of this model is finite. If the input is finite and the result is not, the model is broken.

        Raises:
            ModelFileError: samples are NaN or infinite.
        """
        if finite(wave)[1] and not wave.isfinite().all():  # samples beyond [-1, 1] are limited by the writer
            raise ModelFileError(f"{self.name}: gives samples that are NaN or infinite: use another model")
        return wave


class StreamingModel(TrainedModel):
    """A model from waves to waves, whole or in chunks, at 8 to 192 kHz and with any number of channels."""

    network: SpectralNetwork

    @property
    def rebuilds_noise(self) -> bool:
        """Whether the model was not trained to remove noise."""
        return False

    def hop(self, rate: int) -> int:
        """Hop in samples; :meth:`step` takes whole hops.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        return hop_length(rate, self.settings.hop_seconds)

    def receptive_field_samples(self, rate: int) -> int | None:
        """Receptive field in samples, looking back; None if unbounded."""
        field = self.network.receptive_field
        return None if field is None else (field + self.transform(rate).late) * self.hop(rate)

    def delay(self, rate: int) -> int:
        """Delay of :meth:`step` in samples: the overlap of the STFT and the network's look-ahead."""
        stft = self.transform(rate)
        return stft.hop * (stft.late + self.network.delay)

    def initial_state(self, batch: int, channels: int, rate: int, linked: bool = True) -> State:
        """State before the first sample of waves ``(batch, channels, N)``: a flat dict of zeros.

        Raises:
            ModelFileError: the weights are not float32.
        """
        self.check_precision()
        stft = self.transform(rate)
        streams = (batch, channels) if linked else (batch * channels, 1)
        state = {f"model.{k}": v for k, v in self.network.initial_state(*streams, stft.bins).items()}
        state |= {"analysis": stft.carry(batch, channels), "synthesis": stft.carry(batch, channels)}
        return state | {"noisy": state["analysis"].new_zeros(batch, channels, self.delay(rate))}

    def step(
        self,
        wave: Tensor,
        state: State,
        rate: int,
        strength: Strength | NDArray[np.float32] = FULL,
        linked: bool = True,
    ) -> tuple[Tensor, State]:
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
        if wave.shape[-1] % self.hop(rate):
            raise InputError(f"{wave.shape[-1]} samples are not a whole number of hops of {self.hop(rate)}: feed a Streamer")
        with self._threads(wave, rate):
            result, after = self._step(wave, state, rate, linked)
            noisy = torch.cat([state["noisy"], wave], dim=-1)
            after["noisy"] = noisy[..., wave.shape[-1] :].clone()
            noisy = noisy[..., : wave.shape[-1]]
            if not isinstance(strength, Strength):
                result = torch.lerp(result, noisy, torch.from_numpy(strength).to(wave.device))
            elif strength.dry > 0:
                result = torch.lerp(result, noisy, strength.dry)
            return result, after

    def _threads(self, wave: Tensor, rate: int) -> AbstractContextManager[None]:
        """One thread for a short wave; no change in training."""
        return nullcontext() if self.training else for_sound(wave.numel(), rate)

    def _step(self, wave: Tensor, state: State, rate: int, linked: bool) -> tuple[Tensor, State]:
        """:meth:`step` without the input in the result, and without ``noisy`` in the state."""
        stft = self.transform(rate)
        after: State = {}
        spec, after["analysis"] = stft.analyze(wave, state["analysis"])
        streams = spec if linked else spec.flatten(0, 1).unsqueeze(1)
        inner = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
        clean, inner = self.network(streams, inner)
        clean = clean if linked else clean.reshape(spec.shape)
        after |= {f"model.{k}": v for k, v in inner.items()}
        result, after["synthesis"] = stft.synthesize(clean, state["synthesis"])
        return result, after

    def clean(self, wave: Tensor, rate: int, strength: Strength = FULL, linked: bool = True) -> Tensor:
        """A whole wave ``(B, C, N)`` to its cleaned ``(B, C, N)``, without delay. Gradients pass."""
        return Stream(self, rate, strength, linked).feed(wave, last=True)

    def forward(
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
        clean = self.clean(finite_or_warn(wave).to(self.device), whole_rate(rate), strength, linked)
        return back(self.checked(clean).to(wave.device))

    if TYPE_CHECKING:  # for type checkers, because torch declares the result as Any

        def __call__(
            self, audio: Audio, rate: int, atten_limit: float | None = None, mix: float = 1.0, channels: str = "linked"
        ) -> Audio:
            """See :meth:`forward`."""


def is_linked(channels: str) -> bool:
    """Whether ``channels`` is ``linked``, not ``independent``.

    Raises:
        InputError: any other word.
    """
    if channels not in ("linked", "independent"):
        raise InputError(f"channels {channels!r}: give 'linked' or 'independent'")
    return channels == "linked"
