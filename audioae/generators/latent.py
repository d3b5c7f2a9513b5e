"""Files with the random numbers of one sound, which reproduce sounds that were edited by hand."""

import json
import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.errors import InputError
from audioae.generators.generator import Generator
from audioae.signal.seeds import checked_seed
from audioae.system.places import small_file

MOST_BYTES = 2**24
FURTHEST = 100.0
"""Largest magnitude of a random number in a file; random draws are within 6."""


@dataclass(frozen=True)
class Latent:
    """Input of a generator for one sound.

    Attributes:
        numbers: random numbers.
        label: class, for generators with classes.
        seed: seed of the initial phase of Griffin-Lim.
    """

    numbers: tuple[float, ...]
    label: str | None = None
    seed: int = 0

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Latent":
        """Read a JSON file: an object with ``numbers``, and ``class`` and ``seed`` if they are not the defaults.

        Raises:
            InputError: no such file, or invalid contents.
        """
        try:
            found: Any = json.loads(small_file(path, MOST_BYTES).decode("utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        except OverflowError:
            raise InputError(f"{path}: is larger than {MOST_BYTES // 2**20} MiB: not the numbers of a sound") from None
        except (ValueError, RecursionError):
            found = None
        numbers = found.get("numbers") if isinstance(found, dict) else None
        if not isinstance(numbers, list) or not all(_is_usable(each) for each in numbers):
            raise InputError(
                f"{path}: is not a JSON object with a list `numbers` of numbers from -{FURTHEST:g} to {FURTHEST:g}"
            )
        label, seed = found.get("class"), found.get("seed", 0)
        if not isinstance(label, str | None) or not isinstance(seed, int):
            raise InputError(f"{path}: `class` should be text and `seed` a whole number")
        return cls(tuple(map(float, numbers)), label, seed)


def _is_usable(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= FURTHEST


def sound_of(model: Generator, latent: Latent) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """The spectrogram ``(1, K, P)`` and the wave ``(1, N)`` for a latent vector, and the rate in Hz.

    Args:
        model: the generator.
        latent: random numbers, class and seed.

    Raises:
        ModelFileError: the model gives samples that are not finite.
        InputError: a wrong number of numbers, or an unknown class.
    """
    size, classes = model.network.size, model.classes
    if len(latent.numbers) != size:
        raise InputError(f"{len(latent.numbers)} numbers, but {model.name} takes {size}: give its own file")
    if (latent.label is not None or classes) and latent.label not in classes:
        known = f"its classes are {', '.join(classes)}" if classes else "it has no classes"
        raise InputError(f"class {latent.label!r}: not one of {model.name}: {known}")
    labels = [classes.index(latent.label)] if latent.label is not None else []
    images = model.checked(model.images(torch.tensor([latent.numbers]), labels))
    waves = model.checked(model.waves(images, seed=checked_seed(latent.seed)))
    return images[:, 0].cpu().numpy(), waves.numpy(), model.rate
