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

from audioae.errors import InputError
from audioae.generators.generator import Generator
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


def sound_of(model: Generator, latent: Latent) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """The spectrogram ``(1, K, P)`` and the wave ``(1, N)`` that a generator makes from it, and the rate in Hz.

    Args:
        model: the generator.
        latent: what the sound is made from.

    Raises:
        ModelFileError: the model gives samples that are not finite.
        InputError: not as many numbers as it takes, or a class that it has not.
    """
    size, classes = model.network.size, model.classes
    if len(latent.numbers) != size:
        raise InputError(f"{len(latent.numbers)} numbers, but {model.name} takes {size}: give its own file")
    if (latent.label is not None or classes) and latent.label not in classes:
        known = f"its classes are {', '.join(classes)}" if classes else "it knows no classes"
        raise InputError(f"class {latent.label!r}: not one of {model.name}: {known}")
    labels = [classes.index(latent.label)] if latent.label is not None else []
    images = model.checked(model.images(torch.tensor([latent.numbers]), labels))
    waves = model.checked(model.waves(images, seed=checked_seed(latent.seed)))
    return images[:, 0].cpu().numpy(), waves.numpy(), model.rate
