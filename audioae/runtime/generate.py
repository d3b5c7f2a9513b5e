"""New sounds in one call; see :class:`~audioae.generators.generator.Generator` for the same as a method."""

import os

import numpy as np
from numpy.typing import NDArray

from audioae.generators.generator import Generator
from audioae.runtime.onnx_run import resolved


def generate(
    model: str | os.PathLike[str] | Generator = "dcgan",
    count: int = 1,
    seed: int = 0,
    label: str | None = None,
    truncation: float | None = None,
    between: bool = False,
) -> tuple[NDArray[np.float32], int]:
    """New sounds ``(count, frames)`` and their rate in Hz.

    Args:
        model: a generator of the package, a model file's path, or a loaded one.
        count: how many.
        seed: the same seed gives the same sounds.
        label: the class of all sounds, for generators with classes; without it they take turns.
        truncation: largest magnitude of the random numbers: the smaller, the more alike the sounds.
        between: interpolate from one sound to another.

    Raises:
        InputError: an unknown class, or an unusable setting.
        ModelFileError: no such model, or not a generator.

    >>> waves, rate = generate("cgan", 2, label="7")
    >>> waves.shape, rate
    ((2, 8192), 8000)
    """
    return resolved(model, Generator).generate(count, seed, label, truncation, between)
