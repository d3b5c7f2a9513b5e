"""Autoencoders: from recordings to codes and from codes to sound.

A code is D numbers per patch of a recording.
"""

import warnings
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from audioae.audio.layout import Audio, finite_or_warn, to_wave, whole_rate
from audioae.autoencoders.codes import Codes
from audioae.autoencoders.models.autoencoder import Config
from audioae.autoencoders.models.autoencoder import Model as Network
from audioae.errors import AudioaeWarning, InputError, ModelFileError
from audioae.nn.trained import StreamingModel
from audioae.recipe import recipe_of
from audioae.signal.arrays import as_tensor
from audioae.signal.framing import HOP_SECONDS, hop_length
from audioae.signal.phase import ITERATIONS, griffin_lim
from audioae.signal.resample import resample
from audioae.signal.seeds import checked_count, checked_seed, generator
from audioae.system.threads import for_sound

LEVEL = 1.2e-3
"""Level of sounds that are not derived from a recording: that of speech at -26 dBFS."""
AT_ONCE = 512
MOST_SOUNDS = 10_000
LONGEST = 3 * 3600
"""Largest length of a decoded sound in seconds, over all channels."""


class Patches(NamedTuple):
    """A recording in patches of P frames; the last one is padded with silence.

    Attributes:
        spec: spectra ``(C, F, M * P)``.
        level: level of each channel, to which the patches are relative, ``(C,)``.
        values: consecutive patches, ``(C, M, K, P)``.
    """

    spec: Tensor
    level: Tensor
    values: Tensor


class Autoencoder(StreamingModel):
    """A trained autoencoder: from recordings to codes and back. It is also a denoiser if it was trained on noise.

    >>> import audioae
    >>> autoencoder = audioae.load("vae_2d", family=audioae.Autoencoder)
    >>> codes = autoencoder.encode(np.zeros(16000, np.float32), 16000)
    >>> codes.values.shape[2] == autoencoder.settings.code
    True
    """

    settings: Config
    network: Network

    @property
    def rebuilds_noise(self) -> bool:
        """Whether the model was not trained to remove noise, so that it reconstructs noise and speech alike."""
        return not recipe_of(self).corruption.noise

    def patches(self, wave: Tensor, rate: int, level: Tensor | None = None) -> Patches:
        """The patches of a wave.

        Args:
            wave: ``(C, N)``.
            rate: Hz.
            level: level to which the patches are relative, ``(C,)``; by default that of the wave.
        """
        stft = self.transform(rate)
        length = self.settings.frames
        whole = max(1, -(-stft.frames(wave.shape[-1]) // length)) * length
        # The transform of this number of samples has exactly ``whole`` frames.
        padded = pad(wave.to(self.device), (0, (whole - 1) * stft.hop - wave.shape[-1]))
        spec = stft(padded.unsqueeze(0))[0]
        if level is None:
            level = self.network.features.level(spec)
        return Patches(spec, level, self.network.patches(spec, level))

    def encode(self, audio: Audio, rate: int) -> Codes:
        """The codes of a recording.

        Args:
            audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; floats in [-1, 1], or int16.
            rate: sample rate in Hz.

        Raises:
            InputError: an unusable array or rate.
            ModelFileError: the model gives codes that are not finite, or its weights are not float32.
        """
        self.check_precision()
        wave = _one(as_tensor(to_wave(audio)[0]))
        with torch.inference_mode(), for_sound(wave.numel(), whole_rate(rate)):
            found = self.patches(wave, whole_rate(rate))
            patches, level = found.values, found.level / self.transform(whole_rate(rate)).hop
            values = _in_parts(self.network.encode, patches.flatten(0, 1)).unflatten(0, patches.shape[:2])
        if not values.isfinite().all():
            raise ModelFileError(f"{self.name}: gives codes that are not finite: use another model")
        times = np.arange(patches.shape[1], dtype=np.float64) * (self.settings.frames * HOP_SECONDS)
        own = self.name, self.fingerprint()
        return Codes(values.cpu().numpy(), times, level.cpu().numpy(), wave.shape[-1], int(rate), *own)

    def decode(self, codes: Codes, seed: int = 0, force: bool = False, iterations: int = ITERATIONS) -> NDArray[np.float32]:
        """A sound ``(frames, channels)`` at the recording's rate and of its length, from its codes alone.

        Args:
            codes: from :meth:`encode`.
            seed: seed of the initial phase of Griffin-Lim.
            force: accept codes of another model, if they are of the same size.
            iterations: of Griffin-Lim; fewer are quicker and give a rougher sound.

        Raises:
            InputError: codes of another model, or with a wrong number of samples.
            ModelFileError: the model's weights are not float32.

        Warns:
            AudioaeWarning: codes of an earlier version, which do not identify their model's weights.
        """
        checked_seed(seed)
        self.check_precision()
        self._check_origin(codes, force)
        self._check_length(codes)
        sound = self._sound(torch.from_numpy(codes.values), torch.from_numpy(codes.levels), seed, iterations)
        own = self.settings.rate
        wave = np.stack([resample(channel.numpy(), own, codes.rate) for channel in sound], axis=1)
        missing = max(0, codes.samples - len(wave))
        return np.pad(wave, ((0, missing), (0, 0)))[: codes.samples]

    def reconstruct(self, audio: Audio, rate: int, phase: Literal["input", "griffin_lim"] = "input") -> Audio:
        """A recording encoded and decoded, of the same type and shape.

        Args:
            audio: as in :meth:`encode`.
            rate: sample rate in Hz.
            phase: ``input`` keeps the phase and the fine structure in bands; ``griffin_lim`` estimates the phase.

        Raises:
            InputError: an unusable array, rate or setting.
            ModelFileError: the model gives samples that are not finite, or its weights are not float32.
        """
        if phase not in ("input", "griffin_lim"):
            raise InputError(f"phase {phase!r}: give 'input' or 'griffin_lim'")
        self.check_precision()
        own, back = to_wave(audio)
        wave = as_tensor(own)
        if phase == "griffin_lim":
            return back(torch.from_numpy(self.decode(self.encode(audio, rate)).T.copy()).unsqueeze(0))
        network = self.network
        with torch.inference_mode(), for_sound(wave.numel(), whole_rate(rate)):
            spec, _, given = self.patches(_one(wave), whole_rate(rate))
            rebuilt = _in_parts(lambda p: network.decode(network.encode(p)), given.flatten(0, 1)).view_as(given)
            wanted, present = (side.transpose(-1, -2).flatten(1, 2) for side in (rebuilt, given))  # (C, M * P, K)
            gain = network.features.gain(wanted, present, spec.shape[1])
            clean = self.transform(whole_rate(rate)).inverse((spec * gain).unsqueeze(0), wave.shape[-1])
        return back(self.checked(clean))

    def sample(self, count: int = 1, seed: int = 0, patches: int = 1) -> tuple[NDArray[np.float32], int]:
        """New sounds ``(count, frames)`` of a variational autoencoder, drawn from its prior, and their rate in Hz.

        Args:
            count: number of sounds.
            seed: the same seed gives the same sounds.
            patches: number of patches per sound, drawn independently.

        Raises:
            InputError: an unusable count or seed.
            ModelFileError: the model is not variational.
        """
        count = checked_count(count, "count", most=MOST_SOUNDS)
        patches = checked_count(patches, "patches", most=MOST_SOUNDS)
        source = generator(seed)
        self.check_precision()
        if not self.settings.variational:
            raise ModelFileError(f"{self.name}: is not variational: sounds can only be drawn from variational models")
        values = torch.randn(count, patches, self.settings.code, generator=source)
        return self._sound(values, torch.full((count,), LEVEL), seed).numpy(), self.settings.rate

    def _check_origin(self, codes: Codes, force: bool) -> None:
        """Check that codes were made by these weights.

        Raises:
            InputError: they were not.
        """
        size, own = codes.values.shape[2], self.settings.code
        if size != own:
            raise InputError(f"the codes, made by {codes.model}, have {size} numbers: {self.name} has codes of {own}")
        if force:
            return
        if codes.fingerprint and codes.fingerprint != self.fingerprint():
            other = f"other weights of {codes.model}" if codes.model == self.name else codes.model
            raise InputError(
                f"the codes were made by {other}, and {self.name} would decode them as noise: give that model, or force it"
            )
        if not codes.fingerprint and codes.model != self.name:
            raise InputError(f"the codes were made by {codes.model}, not by {self.name}: give that model, or force it")
        if not codes.fingerprint:
            warnings.warn(
                f"codes of an earlier version do not identify their model's weights: those of {self.name} were used",
                AudioaeWarning,
                stacklevel=4,
            )

    def _check_length(self, codes: Codes) -> None:
        """Check the length of a recording to decode.

        Raises:
            InputError: it is longer than its patches, or too long.
        """
        channels, patches, _ = codes.values.shape
        frames = patches * self.settings.frames
        if codes.samples > frames * hop_length(codes.rate):
            raise InputError(
                f"the codes have {patches} patches but state a length of {codes.samples} samples: they are damaged"
            )
        if channels * frames * HOP_SECONDS > LONGEST:
            hours = channels * frames * HOP_SECONDS / 3600
            raise InputError(f"codes of {hours:.0f} h of sound over all channels: give {LONGEST // 3600} h at most")

    def _sound(self, values: Tensor, levels: Tensor, seed: int, iterations: int = ITERATIONS) -> Tensor:
        """Codes ``(B, M, D)`` and levels ``(B,)`` to waves ``(B, N)`` at the model's own rate."""
        rate, network = self.settings.rate, self.network
        stft = self.transform(rate)
        frames = values.shape[0] * values.shape[1] * self.settings.frames
        with torch.inference_mode(), for_sound(frames * stft.hop, rate):
            patches = _in_parts(network.decode, values.to(self.device).flatten(0, 1)).unflatten(0, values.shape[:2])
            bands = patches.transpose(-1, -2).flatten(1, 2)
            magnitude = network.features.magnitude(bands) * (levels.to(bands) * stft.hop)[:, None, None]
            return self.checked(griffin_lim(magnitude, stft, seed, iterations).cpu())


def _one(wave: Tensor) -> Tensor:
    """The only recording ``(C, N)`` of ``(B, C, N)``."""
    if len(wave) != 1:
        raise InputError(f"a batch of {len(wave)} recordings: give one at a time")
    return finite_or_warn(wave)[0]


def _in_parts(function: Callable[[Tensor], Tensor], patches: Tensor) -> Tensor:
    return torch.cat([function(part) for part in patches.split(AT_ONCE)])
