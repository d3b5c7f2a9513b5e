"""A function that draws new sounds from generators and variational autoencoders."""

import os

import numpy as np
from numpy.typing import NDArray

from audioae.autoencoders.autoencoder import Autoencoder
from audioae.errors import InputError
from audioae.generators.generator import Generator
from audioae.nn.trained import TrainedModel
from audioae.runtime.loading import of_family, resolved


def generate(
    model: str | os.PathLike[str] | Generator | Autoencoder = "dcgan",
    count: int = 1,
    seed: int = 0,
    label: str | None = None,
    truncation: float | None = None,
    between: bool = False,
    patches: int = 1,
) -> tuple[NDArray[np.float32], int]:
    """New sounds ``(count, frames)`` and their rate in Hz.

    Args:
        model: a generator or variational autoencoder of the package, the path of a model file, or a loaded model.
        count: number of sounds.
        seed: the same seed gives the same sounds.
        label: class of all sounds, for generators with classes; by default all classes in turn.
        truncation: largest magnitude of the random numbers; a smaller one gives more similar sounds. For generators.
        between: interpolate from one sound to another. For generators.
        patches: number of patches per sound, drawn independently. For autoencoders.

    Raises:
        InputError: an unknown class, an unusable setting, or a setting of the other family.
        ModelFileError: no such model, or a model that cannot be drawn from.

    >>> waves, rate = generate("cgan", 2, label="7")
    >>> waves.shape, rate
    ((2, 8192), 8000)
    """
    loaded = resolved(model, TrainedModel)
    if isinstance(loaded, Autoencoder):
        for name, value in (("label", label), ("truncation", truncation), ("between", between or None)):
            if value is not None:
                raise InputError(f"{name} {value!r}: {loaded.name} is an autoencoder: leave it out, or give a generator")
        return loaded.sample(count, seed, patches)
    generator = of_family(loaded, Generator)
    if patches != 1:
        raise InputError(f"patches {patches!r}: {generator.name} is a generator: leave it out, or give an autoencoder")
    return generator.generate(count, seed, label, truncation, between)
