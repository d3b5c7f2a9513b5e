"""Sounds from nothing but random numbers: what generators draw, as waves."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from audioae.audio.files import read
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import BundleError
from audioae.generators.network import Generator
from audioae.signal.phase import griffin_lim
from audioae.signal.resample import resample
from audioae.signal.seeds import generator
from audioae.signal.stft import hop_length
from audioae.system.threads import for_sound

AT_ONCE = 64


def model_of(denoiser: Denoiser) -> Generator:
    """The generator inside.

    Raises:
        BundleError: something else is.
    """
    if not isinstance(denoiser.model, Generator):
        raise BundleError(f"{denoiser.name}: is a {denoiser.recipe.model.kind}, which draws no sounds: give a generator")
    denoiser.check_precision()
    return denoiser.model


def images_of(denoiser: Denoiser, numbers: Tensor, labels: Sequence[int] = ()) -> Tensor:
    """Random numbers ``(M, size)``, and the classes' places ``(M,)`` where there are classes, to images ``(M, 1, K, P)``."""
    model = model_of(denoiser)
    places = torch.tensor(labels, device=denoiser.device) if model.config.classes else None
    with torch.inference_mode(), _threads(model, numbers):
        parts = [
            model(part.to(denoiser.device), None if places is None else places[n * AT_ONCE : n * AT_ONCE + len(part)])
            for n, part in enumerate(numbers.split(AT_ONCE))
        ]
    return torch.cat(parts)


def images_of_files(denoiser: Denoiser, files: Sequence[Path]) -> Tensor:
    """Images ``(M, 1, K, P)`` of real recordings, brought to the generator's rate.

    Raises:
        InputError: a file cannot be read.
    """
    model = model_of(denoiser)
    rate = model.config.rate
    found = []
    with torch.no_grad():
        for path in files:
            wave, own = read(path)
            mono = torch.from_numpy(resample(wave.mean(1), own, rate))[None, None].to(denoiser.device)
            found.append(model.image(denoiser.transform(rate)(mono)[:, 0]))
    return torch.cat(found)


def waves_of(denoiser: Denoiser, images: Tensor, levels: Tensor | None = None, seed: int = 0) -> Tensor:
    """Images ``(M, 1, K, P)`` to waves ``(M, N)`` at the generator's rate; their phase is made up by Griffin-Lim.

    Args:
        denoiser: with a generator inside.
        images: what :func:`images_of` gave.
        levels: ``(M,)``, as its codec measures them; the typical one without.
        seed: of the phase.
    """
    model = model_of(denoiser)
    stft = denoiser.transform(model.config.rate)
    with torch.inference_mode(), _threads(model, images):
        magnitudes = model.image.magnitude(images, levels)
        return torch.cat([griffin_lim(part, stft, seed) for part in magnitudes.split(AT_ONCE)]).cpu()


def _threads(model: Generator, sounds: Tensor) -> AbstractContextManager[None]:
    return for_sound(len(sounds) * model.config.frames * hop_length(model.config.rate), model.config.rate)


def drawn(
    denoiser: Denoiser, count: int, seed: int = 0, labels: Sequence[int] = (), truncation: float = math.inf
) -> tuple[Tensor, Tensor]:
    """New images ``(count, 1, K, P)`` and their waves ``(count, N)``.

    Args:
        denoiser: with a generator inside.
        count: how many.
        seed: the same seed gives the same sounds.
        labels: the place of each one's class; where there are classes and none are given, one after the other.
        truncation: how far from 0 a random number may be.
    """
    model = model_of(denoiser)
    numbers = model.draw(count, generator(seed), truncation)
    if model.config.classes and not labels:
        labels = [n % len(model.config.classes) for n in range(count)]
    images = images_of(denoiser, numbers, labels)
    return images, waves_of(denoiser, images, seed=seed)
