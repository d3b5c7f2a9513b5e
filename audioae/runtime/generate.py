"""New sounds from a trained generator."""

import math
import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.denoisers.denoiser import Denoiser
from audioae.errors import InputError
from audioae.generators.sounds import images_of, model_of, waves_of
from audioae.modelfile import load
from audioae.signal.seeds import checked_count
from audioae.signal.seeds import generator as seeded

MOST_SOUNDS = 10_000
SMALLEST, LARGEST = 0.05, 6.0
"""Truncations that leave something to choose, and something to leave out."""


def generate(
    model: str | os.PathLike[str] | Denoiser = "dcgan",
    count: int = 1,
    seed: int = 0,
    label: str | None = None,
    truncation: float | None = None,
    between: bool = False,
) -> tuple[NDArray[np.float32], int]:
    """New sounds ``(count, frames)`` and their rate in Hz.

    Args:
        model: a generator of the package, a bundle's path, or one that is loaded.
        count: how many.
        seed: the same seed gives the same sounds.
        label: the class that they are to be of, for generators of classes; all in turn without.
        truncation: how far from 0 the random numbers may be: the smaller, the more alike and the safer the sounds.
        between: all on the way from one sound to another, in place of each by itself.

    Raises:
        InputError: an unknown class, or an unusable setting.
        BundleError: no such model, or no generator.

    >>> waves, rate = generate("cgan", 2, label="7")
    >>> waves.shape, rate
    ((2, 8192), 8000)
    """
    return images_and_waves(model, count, seed, label, truncation, between)[1:]


def images_and_waves(
    model: str | os.PathLike[str] | Denoiser,
    count: int,
    seed: int = 0,
    label: str | None = None,
    truncation: float | None = None,
    between: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """The same, with the spectrograms ``(count, K, P)`` in front."""
    count, source = checked_count(count, "count", most=MOST_SOUNDS), seeded(seed)
    denoiser = model if isinstance(model, Denoiser) else load(model)
    generator = model_of(denoiser)
    classes = generator.config.classes
    if truncation is not None and not SMALLEST <= truncation <= LARGEST:
        raise InputError(f"truncation {truncation}: give a number from {SMALLEST} to {LARGEST:g}, or none")
    if label is not None and label not in classes:
        known = f"its classes are {', '.join(classes)}" if classes else "it knows no classes"
        raise InputError(f"class {label!r}: not one of {denoiser.name}: {known}")
    limit = math.inf if truncation is None else truncation
    numbers = generator.draw(2 if between else count, source, limit)
    if between:
        group = numbers[0, -1].clone()
        numbers = _between(numbers, count)
        if generator.groups is not None:
            numbers[:, -1] = group  # what lies between two groups is a third one, and no way from one to the other
    if label is not None:
        labels = [classes.index(label)] * count
    else:
        labels = [0 if between else n % len(classes) for n in range(count)] if classes else []
    images = denoiser.checked(images_of(denoiser, numbers, labels))  # here, for of NaN the codec makes silence
    waves = denoiser.checked(waves_of(denoiser, images, seed=seed))
    return images[:, 0].cpu().numpy(), waves.numpy(), generator.config.rate


def _between(ends: Tensor, count: int) -> Tensor:
    """Points on the arc between two draws, which are as far from 0 as draws are (White, "Sampling generative networks",
    2016)."""
    angle = torch.acos(torch.nn.functional.cosine_similarity(ends[0], ends[1], dim=0).clamp(-1, 1))
    share = torch.linspace(0, 1, count)[:, None]
    return (torch.sin((1 - share) * angle) * ends[0] + torch.sin(share * angle) * ends[1]) / torch.sin(angle)
