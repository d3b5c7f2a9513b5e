"""In the worker: sounds that generators draw and that autoencoders make from codes, changed by a few numbers."""

import math
import threading
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audioae.studio.engine import (
    Autoencoder,
    Generator,
    InputError,
    Latent,
    Reader,
    decode,
    encode,
    interpolate,
    resolved,
    sample,
    seeded,
    sound_of,
)
from audioae.studio.views import spectrogram

AXES = 8
"""Directions that have a slider."""
LONGEST_SECONDS = 20.0
"""Of a recording that is turned into codes: more takes too long to answer at once."""
MOST_SOUNDS = 48
ROWS, COLUMNS = 64, 128
Answer = tuple[dict[str, Any], bytes]
_alone = threading.Lock()
"""Drawing takes turns: the phase begins with numbers of torch's one generator."""


@lru_cache(maxsize=8)
def _generator(model: str) -> Generator:
    return resolved(model, Generator)


@lru_cache(maxsize=8)
def _autoencoder(model: str) -> Autoencoder:
    return resolved(model, Autoencoder)


def draw(args: dict[str, Any]) -> Answer:
    """New sounds, as ``audioae generate`` draws them: images as bytes ``(count, K, P)``, then waves as float32.

    Args:
        args: ``model``, ``count``, ``seed``, ``label`` and ``truncation``.
    """
    with _alone:
        images, waves, rate = _generator(args["model"]).images_and_waves(
            min(args["count"], MOST_SOUNDS), args["seed"], args["label"], args["truncation"]
        )
    return _answer(images, waves, rate)


def change(args: dict[str, Any]) -> Answer:
    """One of those sounds after a move along the principal directions, or on the way to another one; behind its wave the
    random numbers that it is made from, float32.

    Args:
        args: ``sound`` and, for a way, ``to``, each as in :func:`draw` with ``index`` and ``moves``; ``share`` of the way.
    """
    sound = args["sound"]
    model = _generator(sound["model"])
    numbers, label = _numbers(model, sound)
    if args.get("to"):
        other, _ = _numbers(model, args["to"])
        group = numbers[-1].clone()
        numbers = _between(numbers, other, args["share"])
        if model.network.groups is not None:
            numbers[-1] = group
    classes = model.classes
    latent = Latent(tuple(numbers.tolist()), None if label is None else classes[label], sound["seed"])
    with _alone:
        header, data = _answer(*sound_of(model, latent))
    header["latent"] = {"class": latent.label, "seed": latent.seed, "count": len(latent.numbers)}
    return header, data + numbers.numpy().astype("<f4").tobytes()


def _numbers(model: Generator, sound: dict[str, Any]) -> tuple[Tensor, int | None]:
    """The random numbers ``(size,)`` of a sound, and the place of its class."""
    generator = model.network
    count, index = min(sound["count"], MOST_SOUNDS), sound["index"]
    if not 0 <= index < count:
        raise InputError(f"sound {index}: there are {count}")
    limit = math.inf if sound["truncation"] is None else sound["truncation"]
    numbers = generator.draw(count, seeded(sound["seed"]), limit)[index]
    moves = torch.tensor(sound["moves"][:AXES], dtype=torch.float32)
    numbers = numbers + moves @ directions(generator)[: len(moves)]
    classes = generator.config.classes
    if not classes:
        return numbers, None
    if sound["label"] is not None and sound["label"] not in classes:
        raise InputError(f"class {sound['label']!r}: there are {', '.join(classes)}")
    return numbers, index % len(classes) if sound["label"] is None else classes.index(sound["label"])


def directions(generator: Any) -> Tensor:
    """Directions ``(AXES, size)`` of the random numbers, of length 1: the principal components of the first layer's
    activations, strongest first (Härkönen et al., "GANSpace", 2020).

    That layer is linear and the numbers are independent and of one deviation, so that they are its singular vectors.
    """
    first = next(layer for layer in generator.modules() if isinstance(layer, nn.Linear))
    own = min(generator.config.latent, first.in_features, generator.size)
    vectors = torch.linalg.svd(first.weight[:, :own], full_matrices=False).Vh[:AXES]
    found = torch.zeros(len(vectors), generator.size)
    found[:, :own] = vectors * vectors.sum(1, keepdim=True).sign()
    return found


def _between(first: Tensor, second: Tensor, share: float) -> Tensor:
    """On the arc from one draw to another, which are as far from 0 as draws are; their lengths go along."""
    a, b = first.norm(), second.norm()
    cosine = torch.clamp(first @ second / (a * b), -1, 1)
    angle = torch.acos(cosine)
    if angle < 1e-4:
        return torch.lerp(first, second, share)
    way = (torch.sin((1 - share) * angle) * first / a + torch.sin(share * angle) * second / b) / torch.sin(angle)
    return way * torch.lerp(a, b, share)


def codes(args: dict[str, Any]) -> Answer:
    """A recording by way of its codes, moved along their principal axes or on the way to another recording's.

    The answer holds the spectrograms of the recording and of what was made, the code as bytes ``(D, M)``, and both waves.

    Args:
        args: ``path``, ``model``, ``moves`` in standard deviations, ``to``, the path of another recording or None,
            and ``share``.
    """
    model = _autoencoder(args["model"])
    wave, rate = _read(args["path"])
    made = encode(wave, rate, model)
    axes, deviations = _axes(made.values)
    if args.get("to"):
        other, own = _read(args["to"])
        if own != rate:
            raise InputError(f"the two recordings have {rate} and {own} Hz: choose two of one sample rate")
        steps = 101
        made = interpolate(made, encode(other, rate, model), steps)[round(args["share"] * (steps - 1))]
    moves = np.asarray(args["moves"][: len(axes)], np.float32)
    values = made.values + (moves * deviations[: len(moves)]) @ axes[: len(moves)]
    with _alone:
        heard = decode(replace(made, values=values.astype(np.float32)), model, force=True)
    image = values[0].T
    low, high = float(image.min()), float(image.max())
    shown = np.round(255 * (image - low) / max(high - low, 1e-9)).astype(np.uint8)
    sides = [np.ascontiguousarray(side[:, 0], np.float32) for side in (wave, heard)]
    pictures = [spectrogram(side, rate, ROWS, COLUMNS) for side in sides]
    header = {
        "rate": rate, "rows": ROWS, "columns": COLUMNS, "code": list(image.shape), "low": low, "high": high,
        "frames": [len(side) for side in sides], "shares": _shares(deviations),
    }  # fmt: skip
    return header, b"".join([*(each.tobytes() for each in pictures), shown.tobytes(), *(each.tobytes() for each in sides)])


def _read(path: str) -> tuple[NDArray[np.float32], int]:
    with Reader(Path(path)) as reader:
        return reader.read(int(LONGEST_SECONDS * reader.info.rate))[:, :1], reader.info.rate


def _axes(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Principal axes ``(A, D)`` of codes ``(C, M, D)``, and the deviation along each."""
    flat = values.reshape(-1, values.shape[-1])
    _, strengths, axes = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    count = min(AXES, len(axes))
    return axes[:count], (strengths / math.sqrt(len(flat)))[:count].astype(np.float32)


def _shares(deviations: NDArray[np.float32]) -> list[float]:
    power = np.square(deviations)
    return [round(float(each), 4) for each in power / max(float(power.sum()), 1e-12)]


def drawn_from_prior(args: dict[str, Any]) -> Answer:
    """New sounds of a variational autoencoder, as ``audioae sample`` draws them.

    Args:
        args: ``model``, ``count``, ``seed`` and ``patches``.
    """
    with _alone:
        waves, rate = sample(_autoencoder(args["model"]), min(args["count"], MOST_SOUNDS), args["seed"], args["patches"])
    images = np.stack([spectrogram(wave, rate, ROWS, COLUMNS) for wave in waves])
    header = {"rate": rate, "count": len(waves), "rows": ROWS, "columns": COLUMNS, "frames": waves.shape[1]}
    return header, images.tobytes() + waves.astype("<f4").tobytes()


def _answer(images: NDArray[np.float32], waves: NDArray[np.float32], rate: int) -> Answer:
    shown = np.round(127.5 * (np.clip(images, -1, 1) + 1)).astype(np.uint8)
    header = {
        "rate": rate,
        "count": len(images),
        "rows": images.shape[1],
        "columns": images.shape[2],
        "frames": waves.shape[1],
    }
    return header, shown.tobytes() + waves.astype("<f4").tobytes()
