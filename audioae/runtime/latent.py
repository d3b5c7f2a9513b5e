"""The random numbers that a generator makes a sound from, as a file: to make again a sound that was changed by hand."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.denoisers.denoiser import Denoiser
from audioae.errors import InputError
from audioae.generators.sounds import images_of, model_of, waves_of
from audioae.signal.seeds import checked_seed

MOST_BYTES = 2**24
FURTHEST = 100.0
"""Largest random number that is taken; draws lie within 6."""


@dataclass(frozen=True)
class Latent:
    """What a sound is made from.

    Attributes:
        numbers: the random numbers, as many as the generator takes.
        label: its class, for generators of classes.
        seed: of the phase that Griffin-Lim begins with.
    """

    numbers: tuple[float, ...]
    label: str | None = None
    seed: int = 0

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Latent":
        """Read a JSON file: an object with ``numbers``, and ``class`` and ``seed`` if they are not the defaults.

        Raises:
            InputError: no such file, or one that holds something else.
        """
        file = Path(path)
        try:
            if file.stat().st_size > MOST_BYTES:
                raise InputError(f"{path}: is larger than {MOST_BYTES // 2**20} MiB: no numbers of a sound")
            found: Any = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError):
            found = None
        numbers = found.get("numbers") if isinstance(found, dict) else None
        if not isinstance(numbers, list) or not all(_is_usable(each) for each in numbers):
            raise InputError(
                f"{path}: is no JSON object with a list `numbers` of numbers from -{FURTHEST:g} to {FURTHEST:g}"
            )
        label, seed = found.get("class"), found.get("seed", 0)
        if not isinstance(label, str | None) or not isinstance(seed, int):
            raise InputError(f"{path}: `class` is a text and `seed` a whole number")
        return cls(tuple(map(float, numbers)), label, seed)


def _is_usable(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= FURTHEST


def sound_of(model: Denoiser, latent: Latent) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """The spectrogram ``(1, K, P)`` and the wave ``(1, N)`` that a generator makes from it, and the rate in Hz.

    Args:
        model: with a generator inside.
        latent: what the sound is made from.

    Raises:
        BundleError: the model is no generator.
        InputError: not as many numbers as it takes, or a class that it has not.
    """
    generator = model_of(model)
    if len(latent.numbers) != generator.size:
        raise InputError(f"{len(latent.numbers)} numbers, but {model.name} takes {generator.size}: give its own file")
    classes = generator.config.classes
    if (latent.label is not None or classes) and latent.label not in classes:
        known = f"its classes are {', '.join(classes)}" if classes else "it knows no classes"
        raise InputError(f"class {latent.label!r}: not one of {model.name}: {known}")
    labels = [classes.index(latent.label)] if latent.label is not None else []
    images = model.checked(images_of(model, torch.tensor([latent.numbers]), labels))
    waves = model.checked(waves_of(model, images, seed=checked_seed(latent.seed)))
    return images[:, 0].cpu().numpy(), waves.numpy(), generator.config.rate
