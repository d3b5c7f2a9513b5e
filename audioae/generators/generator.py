"""Generators of sounds from random numbers."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.audio.files import read
from audioae.errors import InputError
from audioae.generators.network import GeneratorConfig, GeneratorNetwork
from audioae.nn.trained import TrainedModel
from audioae.signal.framing import hop_length
from audioae.signal.phase import griffin_lim
from audioae.signal.resample import resample
from audioae.signal.seeds import checked_count
from audioae.signal.seeds import generator as seeded
from audioae.system.threads import for_sound

AT_ONCE = 64
MOST_SOUNDS = 10_000
SMALLEST, LARGEST = 0.05, 6.0
"""Smallest and largest truncation."""


class Generator(TrainedModel):
    """A trained generator of spectrograms and their sounds.

    >>> import audioae
    >>> generator = audioae.load("cgan", family=audioae.Generator)
    >>> waves, rate = generator.generate(2, label="7")
    >>> waves.shape, rate
    ((2, 8192), 8000)
    """

    settings: GeneratorConfig
    network: GeneratorNetwork

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty for generators without classes."""
        return self.settings.classes

    @property
    def rate(self) -> int:
        """Sample rate of the sounds in Hz."""
        return self.settings.rate

    def generate(
        self,
        count: int = 1,
        seed: int = 0,
        label: str | None = None,
        truncation: float | None = None,
        between: bool = False,
    ) -> tuple[NDArray[np.float32], int]:
        """New sounds ``(count, frames)`` and their rate in Hz.

        Args:
            count: number of sounds.
            seed: the same seed gives the same sounds.
            label: class of all sounds, for generators with classes; by default all classes in turn.
            truncation: largest magnitude of the random numbers; a smaller one gives more similar sounds.
            between: interpolate from one sound to another.

        Raises:
            InputError: an unknown class, or an unusable setting.
            ModelFileError: the model gives samples that are not finite.
        """
        return self.images_and_waves(count, seed, label, truncation, between)[1:]

    def images_and_waves(
        self,
        count: int,
        seed: int = 0,
        label: str | None = None,
        truncation: float | None = None,
        between: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
        """:meth:`generate` with the spectrograms ``(count, K, P)`` as a further first result."""
        count, source = checked_count(count, "count", most=MOST_SOUNDS), seeded(seed)
        self.check_precision()
        classes, network = self.classes, self.network
        if truncation is not None and not SMALLEST <= truncation <= LARGEST:
            raise InputError(f"truncation {truncation}: give a number from {SMALLEST} to {LARGEST:g}, or none")
        if label is not None and label not in classes:
            known = f"its classes are {', '.join(classes)}" if classes else "it has no classes"
            raise InputError(f"class {label!r}: not one of {self.name}: {known}")
        limit = math.inf if truncation is None else truncation
        numbers = network.draw(2 if between else count, source, limit)
        if between:
            group = numbers[0, -1].clone()
            numbers = _between(numbers, count)
            if network.groups is not None:
                numbers[:, -1] = group  # groups cannot be interpolated
        if label is not None:
            labels = [classes.index(label)] * count
        else:
            labels = [0 if between else n % len(classes) for n in range(count)] if classes else []
        images = self.checked(self.images(numbers, labels))  # checked here, because the codec turns NaN into silence
        waves = self.checked(self.waves(images, seed=seed))
        return images[:, 0].cpu().numpy(), waves.numpy(), self.rate

    def images(self, numbers: Tensor, labels: Sequence[int] = ()) -> Tensor:
        """Random numbers ``(M, size)``, and indices of classes ``(M,)`` if there are classes, to images ``(M, 1, K, P)``."""
        places = torch.tensor(labels, device=self.device) if self.classes else None
        with torch.inference_mode(), self._for_sound(numbers):
            parts = [
                self.network(part.to(self.device), None if places is None else places[n * AT_ONCE : n * AT_ONCE + len(part)])
                for n, part in enumerate(numbers.split(AT_ONCE))
            ]
        return torch.cat(parts)

    def images_of_files(self, files: Sequence[Path]) -> Tensor:
        """Images ``(M, 1, K, P)`` of real recordings, resampled to the generator's rate.

        Raises:
            InputError: a file cannot be read.
        """
        found = []
        with torch.no_grad():
            for path in files:
                wave, own = read(path)
                mono = torch.from_numpy(resample(wave.mean(1), own, self.rate))[None, None].to(self.device)
                found.append(self.network.image(self.transform(self.rate)(mono)[:, 0]))
        return torch.cat(found)

    def waves(self, images: Tensor, levels: Tensor | None = None, seed: int = 0) -> Tensor:
        """Images ``(M, 1, K, P)`` to waves ``(M, N)``; the phase is estimated by Griffin-Lim.

        Args:
            images: from :meth:`images`.
            levels: ``(M,)``, as measured by the codec; the typical level by default.
            seed: seed of the initial phase.
        """
        stft = self.transform(self.rate)
        with torch.inference_mode(), self._for_sound(images):
            magnitudes = self.network.image.magnitude(images, levels)
            return torch.cat([griffin_lim(part, stft, seed) for part in magnitudes.split(AT_ONCE)]).cpu()

    def draw(
        self, count: int, seed: int = 0, labels: Sequence[int] = (), truncation: float = math.inf
    ) -> tuple[Tensor, Tensor]:
        """New images ``(count, 1, K, P)`` and their waves ``(count, N)``.

        Args:
            count: number of sounds.
            seed: the same seed gives the same sounds.
            labels: index of each sound's class; by default all classes in turn.
            truncation: largest magnitude of the random numbers.
        """
        numbers = self.network.draw(count, seeded(seed), truncation)
        if self.classes and not labels:
            labels = [n % len(self.classes) for n in range(count)]
        images = self.images(numbers, labels)
        return images, self.waves(images, seed=seed)

    def _for_sound(self, sounds: Tensor) -> AbstractContextManager[None]:
        return for_sound(len(sounds) * self.settings.frames * hop_length(self.rate), self.rate)


def _between(ends: Tensor, count: int) -> Tensor:
    """Spherical interpolation between two random vectors, which keeps their norm (White, "Sampling generative networks",
    2016)."""
    angle = torch.acos(torch.nn.functional.cosine_similarity(ends[0], ends[1], dim=0).clamp(-1, 1))
    share = torch.linspace(0, 1, count)[:, None]
    return (torch.sin((1 - share) * angle) * ends[0] + torch.sin(share * angle) * ends[1]) / torch.sin(angle)
