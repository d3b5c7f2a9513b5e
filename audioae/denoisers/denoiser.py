"""Front-end and model joined: wave to wave, whole or piece by piece."""

import hashlib
import math
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from audioae.audio.layout import Audio, finite, finite_or_warn, to_wave
from audioae.errors import BundleError, InputError
from audioae.recipe import PACKAGES, Recipe
from audioae.settings.registry import find
from audioae.signal.stft import STFT, hop_length
from audioae.system.threads import for_sound

State = dict[str, Tensor]


@dataclass(frozen=True)
class Strength:
    """How much of the cleaning is let through; the same in every way of running.

    Args:
        atten_limit: largest attenuation in dB: the noisy input stays in the result this far down. None is no limit.
        mix: share of the cleaned signal, 1 is all, 0 gives the input back.

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


class Denoiser(nn.Module):
    """A trained model that takes noise out of speech, at any rate from 8 to 192 kHz and any number of channels.

    Args:
        recipe: what the model was, or will be, trained by; its ``model`` section builds the network.
        name: what people call it.

    >>> import audioae
    >>> denoiser = audioae.load()
    >>> clean = denoiser(torch.randn(2, 16000) * 0.01, 16000)  # (channels, samples) at 16 kHz
    >>> clean.shape
    torch.Size([2, 16000])
    """

    def __init__(self, recipe: Recipe, name: str = "untrained", model: nn.Module | None = None) -> None:
        super().__init__()
        self.recipe, self.name = recipe, name
        self.model: Any = find(recipe.model.kind, *PACKAGES).Model(recipe.model) if model is None else model
        self.members: list[Denoiser] = []
        """Of an ensemble: a denoiser for each network, which shares its weights."""
        settings = getattr(recipe.model, "members", ())
        for own, network in zip(settings, getattr(self.model, "members", ()), strict=False):  # none where others run them
            self.members.append(Denoiser(recipe.model_copy(update={"model": own}), name, network))
        self._transforms: dict[int, STFT] = {}

    @property
    def device(self) -> torch.device:
        """Where the weights are; waves are moved there and back."""
        return next(self.model.parameters()).device

    @property
    def rebuilds_noise(self) -> bool:
        """Whether it is an autoencoder that was not trained on noise: it rebuilds noise and speech alike."""
        return self.recipe.family == "codes" and not self.recipe.corruption.noise

    def fingerprint(self) -> str:
        """16 hexadecimal digits that stand for the values of all weights."""
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def check_precision(self) -> None:
        """Refuse weights that are not float32, which all waves and spectra are.

        Raises:
            BundleError: ``half()``, ``double()`` or the like was called.
        """
        dtype = next((each.dtype for each in self.model.parameters()), torch.float32)
        if dtype != torch.float32:
            raise BundleError(f"{self.name}: its weights are {dtype}: call float(), for models run in torch.float32")

    def transform(self, rate: int) -> STFT:
        """The STFT at ``rate`` Hz, on the model's device.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        assert not self.members, "each member has a transform of its own"
        stft = self._transforms.get(rate)
        if stft is None or stft.window.device != self.device:
            with torch.inference_mode(False):  # kept beyond the call, and wanted for training too
                config = self.recipe.model
                stft = self._transforms[rate] = STFT(rate, config.hop_seconds, config.window_seconds).to(self.device)
        return stft

    def hop(self, rate: int) -> int:
        """Samples of which :meth:`step` takes a whole multiple.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        return hop_length(rate, self.recipe.model.hop_seconds)

    def reach(self, rate: int) -> int | None:
        """Samples before and up to one of the input that the result there may depend on; None for all of them."""
        if self.members:
            reaches = [member.reach(rate) for member in self.members]
            return None if None in reaches else max(each for each in reaches if each is not None)
        field = getattr(self.model, "receptive_field", None)
        return None if field is None else (field + self.transform(rate).late) * self.hop(rate)

    def initial_state(self, batch: int, channels: int, rate: int, linked: bool = True) -> State:
        """State before the first sample of waves ``(batch, channels, N)``: a flat dict of zeros that the caller holds.

        Raises:
            BundleError: the model is one that no sound comes out of, or its weights are not float32.
        """
        if self.recipe.family in ("labels", "sounds"):
            raise BundleError(f"{self.name}: is a {self.recipe.model.kind}, which cleans nothing: give a denoiser")
        self.check_precision()
        if self.members:
            return self._begin_together(batch, channels, rate, linked)
        stft = self.transform(rate)
        streams = (batch, channels) if linked else (batch * channels, 1)
        state = {f"model.{k}": v for k, v in self.model.initial_state(*streams, stft.bins).items()}
        state |= {"analysis": stft.carry(batch, channels), "synthesis": stft.carry(batch, channels)}
        return state | {"noisy": state["analysis"].new_zeros(batch, channels, self.delay(rate))}

    def delay(self, rate: int) -> int:
        """Samples that the result of :meth:`step` is late by: the transform's overlap and what the network looks ahead."""
        if self.members:
            return max(member.delay(rate) for member in self.members)
        stft = self.transform(rate)
        return stft.hop * (stft.late + int(self.model.delay))

    def step(
        self, wave: Tensor, state: State, rate: int, strength: Strength = FULL, linked: bool = True
    ) -> tuple[Tensor, State]:
        """Whole hops in, as many out, :meth:`delay` samples late: the one forward pass of every way of running.

        Args:
            wave: ``(B, C, T * hop)``, finite.
            state: from :meth:`initial_state` or the step before.
            rate: Hz.
            strength: how much of the cleaning is let through, the same from step to step.
            linked: one mask for all channels, which keeps the stereo image, or one for each.

        Returns:
            The cleaned wave ``(B, C, T * hop)``, delayed by :meth:`delay`, and the state to go on with.

        Raises:
            InputError: a part of a hop is left over, which would be lost.
        """
        if wave.shape[-1] % self.hop(rate):
            raise InputError(f"{wave.shape[-1]} samples are no whole number of hops of {self.hop(rate)}: feed a Streamer")
        one = self._step_together if self.members else self._step_alone
        with self._threads(wave, rate):
            return one(wave, state, rate, strength, linked)

    def _threads(self, wave: Tensor, rate: int) -> AbstractContextManager[None]:
        """Threads for a wave: one for a small one, but in training those that it has chosen."""
        return nullcontext() if self.training else for_sound(wave.numel(), rate)

    def _step_alone(self, wave: Tensor, state: State, rate: int, strength: Strength, linked: bool) -> tuple[Tensor, State]:
        stft = self.transform(rate)
        after: State = {}
        spec, after["analysis"] = stft.analyze(wave, state["analysis"])
        streams = spec if linked else spec.flatten(0, 1).unsqueeze(1)
        inner = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
        clean, inner = self.model(streams, inner)
        clean = clean if linked else clean.reshape(spec.shape)
        after |= {f"model.{k}": v for k, v in inner.items()}
        result, after["synthesis"] = stft.synthesize(clean, state["synthesis"])
        after["noisy"] = state["noisy"]
        if strength.dry > 0:  # else nobody asks for the input again
            noisy = torch.cat([state["noisy"], wave], dim=-1)
            after["noisy"] = noisy[..., wave.shape[-1] :].clone()
            result = torch.lerp(result, noisy[..., : wave.shape[-1]], strength.dry)
        return result, after

    def _begin_together(self, batch: int, channels: int, rate: int, linked: bool) -> State:
        state: State = {}
        for number, member in enumerate(self.members):
            own = member.initial_state(batch, channels, rate, linked)
            own["wait"] = own["noisy"].new_zeros(batch, channels, self.delay(rate) - member.delay(rate))
            state |= {f"members.{number}.{name}": value for name, value in own.items()}
        return state

    def _step_together(
        self, wave: Tensor, state: State, rate: int, strength: Strength, linked: bool
    ) -> tuple[Tensor, State]:
        """The mean of what the members give, those that are early held back."""
        results: list[Tensor] = []
        after: State = {}
        for number, member in enumerate(self.members):
            prefix = f"members.{number}."
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            result, later = member.step(wave, own, rate, strength, linked)
            joined = torch.cat([own["wait"], result], dim=-1)
            result, later["wait"] = joined[..., : wave.shape[-1]], joined[..., wave.shape[-1] :].clone()
            results.append(result)
            after |= {prefix + name: value for name, value in later.items()}
        return torch.stack(results).mean(0), after

    def clean(self, wave: Tensor, rate: int, strength: Strength = FULL, linked: bool = True) -> Tensor:
        """A whole wave ``(B, C, N)`` to its cleaned ``(B, C, N)``, without delay. Gradients pass."""
        samples = wave.shape[-1]
        delay = self.delay(rate)
        padded = nn.functional.pad(wave, (0, -samples % self.hop(rate) + delay))
        state = self.initial_state(wave.shape[0], wave.shape[1], rate, linked)
        return self.step(padded, state, rate, strength, linked)[0][..., delay : delay + samples]

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
            audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; floats in [-1, 1].
            rate: sample rate in Hz, 8 000 to 192 000.
            atten_limit: largest attenuation in dB.
            mix: 1 for the cleaned signal, 0 for the input, or between.
            channels: ``linked`` for one mask on all channels, ``independent`` for one each.

        Returns:
            The cleaned recording, of the same type, shape, dtype and device.

        Raises:
            InputError: an unusable array, rate or setting.
            BundleError: the model gives no finite sound.

        Warns:
            AudioaeWarning: NaN or infinite samples, which are taken as zero.
        """
        wave, back = to_wave(audio)
        linked = is_linked(channels)
        device = wave.device
        with self._threads(wave, whole_rate(rate)):
            clean = self.clean(finite_or_warn(wave).to(self.device), whole_rate(rate), Strength(atten_limit, mix), linked)
        # What is not finite in training is a step to skip, and may have other types of numbers.
        return back((clean if self.training else self.checked(clean)).to(device))

    def checked(self, wave: Tensor) -> Tensor:
        """A wave that this model gave, if it can be one. What went in was finite: a model that gives NaN is broken.

        Raises:
            BundleError: samples are NaN or infinite.
        """
        if finite(wave)[1] and not wave.isfinite().all():  # what is merely loud is limited where it is written
            raise BundleError(f"{self.name}: gives samples that are NaN or infinite: use another model")
        return wave


def why_no_denoiser(denoiser: Denoiser) -> str:
    """What to say of a model that :attr:`Denoiser.rebuilds_noise`."""
    return (
        f"{denoiser.name}: is an autoencoder that was not trained on noise and makes recordings worse: take a denoiser "
        "(`audioae models` lists them), or `audioae reconstruct` to hear what its codes keep"
    )


def _run_by_one_thread() -> None:
    """In a process that was forked: the threads of OpenMP stayed behind, and work that is shared with them never ends."""
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run_by_one_thread)


def is_linked(channels: str) -> bool:
    """``linked`` or ``independent`` to a truth value.

    Raises:
        InputError: any other word.
    """
    if channels not in ("linked", "independent"):
        raise InputError(f"channels {channels!r}: give 'linked' or 'independent'")
    return channels == "linked"


def whole_rate(rate: float) -> int:
    """A sample rate that may come as a float, as an integer.

    Raises:
        InputError: not a whole positive number.
    """
    try:
        value = float(rate) if not isinstance(rate, bool | str) else math.nan
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value) or value != int(value):
        raise InputError(f"sample rate {rate!r}: give a whole number of Hz, as in denoise(audio, 16000)")
    return int(value)
