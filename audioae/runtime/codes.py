"""Functions for codes; :class:`~audioae.autoencoders.autoencoder.Autoencoder` has them as methods."""

import os
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audioae.audio.layout import Audio
from audioae.autoencoders.autoencoder import MOST_SOUNDS, Autoencoder
from audioae.autoencoders.codes import Codes
from audioae.errors import InputError
from audioae.modelfile import shipped
from audioae.runtime.loading import resolved
from audioae.signal.seeds import checked_count

__all__ = ["Codes", "decode", "encode", "interpolate", "reconstruct", "sample"]

Model = str | os.PathLike[str] | Autoencoder


def encode(audio: Audio, rate: int, model: Model) -> Codes:
    """The codes of a recording.

    Args:
        audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; floats in [-1, 1], or int16.
        rate: sample rate in Hz.
        model: an autoencoder of the package, the path of a model file, or a loaded model.

    Raises:
        InputError: an unusable array or rate.
        ModelFileError: no such model, or not an autoencoder.
    """
    return resolved(model, Autoencoder).encode(audio, rate)


def decode(codes: Codes, model: Model | None = None, seed: int = 0, force: bool = False) -> NDArray[np.float32]:
    """A sound ``(frames, channels)`` at the recording's rate and of its length, from its codes alone.

    Args:
        codes: from :func:`encode`.
        model: as in :func:`encode`; by default the model of the package that made the codes.
        seed: seed of the initial phase of Griffin-Lim.
        force: accept codes of another model, if they are of the same size.

    Raises:
        InputError: codes of another model, or with a wrong number of samples.
        ModelFileError: no such model, or not an autoencoder.

    Warns:
        AudioaeWarning: codes of an earlier version, which do not identify their model's weights.
    """
    return resolved(_model_of(codes) if model is None else model, Autoencoder).decode(codes, seed, force)


def reconstruct(audio: Audio, rate: int, model: Model, phase: Literal["input", "griffin_lim"] = "input") -> Audio:
    """A recording encoded and decoded, of the same type and shape.

    Args:
        audio: as in :func:`encode`.
        rate: sample rate in Hz.
        model: as in :func:`encode`.
        phase: ``input`` keeps the recording's phase and the fine structure in bands; ``griffin_lim`` estimates the phase.

    Raises:
        InputError: an unusable array, rate or setting.
        ModelFileError: no such model, or not an autoencoder.
    """
    return resolved(model, Autoencoder).reconstruct(audio, rate, phase)


def sample(model: Model, count: int = 1, seed: int = 0, patches: int = 1) -> tuple[NDArray[np.float32], int]:
    """New sounds ``(count, frames)`` of a variational autoencoder, drawn from its prior, and their rate in Hz.

    Args:
        model: as in :func:`encode`.
        count: number of sounds.
        seed: the same seed gives the same sounds.
        patches: number of patches per sound, drawn independently.

    Raises:
        InputError: an unusable count or seed.
        ModelFileError: no such model, or one that is not variational.
    """
    return resolved(model, Autoencoder).sample(count, seed, patches)


def interpolate(first: Codes, second: Codes, steps: int = 5) -> list[Codes]:
    """Linear interpolation between the codes of two recordings, both included, with the length of the shorter one.

    Raises:
        InputError: fewer than two steps, or codes of different models, channels or rates.
    """
    checked_count(steps, "steps", 2, MOST_SOUNDS)
    ends = [(each.values.shape[::2], each.rate, each.model, each.fingerprint) for each in (first, second)]
    if ends[0] != ends[1]:
        raise InputError("the two recordings should have the same channels and sample rate, and codes of the same model")
    count = min(first.values.shape[1], second.values.shape[1])
    samples = min(first.samples, second.samples)
    between = []
    for share in np.linspace(0, 1, steps, dtype=np.float32):
        values = (1 - share) * first.values[:, :count] + share * second.values[:, :count]
        levels = first.levels ** (1 - share) * second.levels**share
        between.append(replace(first, values=values, times=first.times[:count], levels=levels, samples=samples))
    return between


def _model_of(codes: Codes) -> str:
    """The model of the package that made the codes.

    Raises:
        InputError: the package has no model of that name.
    """
    if codes.model not in shipped():
        raise InputError(f"the codes were made by {codes.model!r}, which is not in the package: give its model file")
    return codes.model
