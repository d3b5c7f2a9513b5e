"""Worker side of the page Sounds: sounds of generators, and recordings decoded from edited codes."""

import math
import threading
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audioae.audio.files import Reader
from audioae.autoencoders.autoencoder import Autoencoder
from audioae.autoencoders.codes import Codes
from audioae.errors import InputError
from audioae.generators.generator import Generator
from audioae.generators.latent import Latent, sound_of
from audioae.runtime.codes import encode, interpolate
from audioae.runtime.codes import sample as sampled
from audioae.runtime.loading import resolved
from audioae.signal.framing import HOP_SECONDS
from audioae.signal.seeds import generator as seeded
from audioae.studio.views import spectrogram

AXES = 8
"""Directions that have a slider."""
LONGEST_SECONDS = 20.0
"""Longest part of a recording that is encoded, so that the answer comes soon."""
DRAFT_SECONDS, DRAFT_ITERATIONS = 4.0, 16
"""Length of the preview while a slider moves, and its iterations of Griffin-Lim."""
MOST_SOUNDS = 48
ROWS, COLUMNS = 64, 128
Answer = tuple[dict[str, Any], bytes]
_alone = threading.Lock()
"""Held while a sound is made, because Griffin-Lim draws its initial phase from torch's global random state."""


@lru_cache(maxsize=8)
def _generator(model: str) -> Generator:
    return resolved(model, Generator)


@lru_cache(maxsize=8)
def _autoencoder(model: str) -> Autoencoder:
    return resolved(model, Autoencoder)


def draw(args: dict[str, Any], cancelled: threading.Event | None = None) -> Answer:
    """Generate sounds as ``audioae generate`` does: images as bytes ``(count, K, P)``, then waves as float32.

    Args:
        args: ``model``, ``count``, ``seed``, ``label`` and ``truncation``.
    """
    with _alone:
        images, waves, rate = _generator(args["model"]).images_and_waves(
            min(args["count"], MOST_SOUNDS), args["seed"], args["label"], args["truncation"]
        )
    return _answer(images, waves, rate)


def change(args: dict[str, Any], cancelled: threading.Event | None = None) -> Answer:
    """Generate one edited sound: moved along the principal directions, or interpolated with another one. The bytes end with
    its latent vector, float32.

    Args:
        args: ``sound`` and, to interpolate, ``to``, each as in :func:`draw` with ``index`` and ``moves``; ``share``, the
            position between them, 0 to 1.
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
    numbers = numbers + moves @ _directions(sound["model"])[: len(moves)]
    classes = generator.config.classes
    if not classes:
        return numbers, None
    if sound["label"] is not None and sound["label"] not in classes:
        raise InputError(f"class {sound['label']!r}: there are {', '.join(classes)}")
    return numbers, index % len(classes) if sound["label"] is None else classes.index(sound["label"])


@lru_cache(maxsize=8)
def _directions(model: str) -> Tensor:
    return directions(_generator(model).network)


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
    """Spherical interpolation between two latent vectors; their lengths are interpolated linearly."""
    a, b = first.norm(), second.norm()
    cosine = torch.clamp(first @ second / (a * b), -1, 1)
    angle = torch.acos(cosine)
    if angle < 1e-4:
        return torch.lerp(first, second, share)
    way = (torch.sin((1 - share) * angle) * first / a + torch.sin(share * angle) * second / b) / torch.sin(angle)
    return way * torch.lerp(a, b, share)


class _Encoded(NamedTuple):
    """A recording and its codes, kept while sliders move."""

    wave: NDArray[np.float32]
    rate: int
    codes: Codes
    axes: NDArray[np.float32]
    deviations: NDArray[np.float32]


@lru_cache(maxsize=8)
def _encoded(path: str, changed: int, model: str) -> _Encoded:
    """The codes of a recording; ``changed`` is the time of its last change."""
    wave, rate = _read(path)
    made = encode(wave, rate, _autoencoder(model))
    return _Encoded(wave, rate, made, *_axes(made.values))


def codes(args: dict[str, Any], cancelled: threading.Event | None = None) -> Answer:
    """Reconstruct a recording from its codes, moved along their principal axes or interpolated with another recording's.

    The header's ``parts`` list the contents of the bytes in order, each with its type and shape: ``code`` and
    ``moved``, the code before and after as bytes ``(D, M)`` from ``low`` to ``high``; ``image`` and ``wave`` of the
    reconstruction; and ``input_image`` and ``input_wave`` where ``with_input`` is set.

    Args:
        args: ``path``, ``model``, ``moves`` in standard deviations, ``to``, the path of another recording or None,
            ``share``, ``with_input`` and ``draft``: None, or the first patch of a preview of some seconds.
        cancelled: ignored.
    """
    model = _autoencoder(args["model"])
    path, to, draft = args["path"], args.get("to"), args.get("draft")
    wave, rate, made, axes, deviations = _encoded(path, _changed(path), args["model"])
    if to:
        other = _encoded(to, _changed(to), args["model"])
        if other.rate != rate:
            raise InputError(f"the two recordings have {rate} and {other.rate} Hz: choose two of one sample rate")
        steps = 101
        made = interpolate(made, other.codes, steps)[round(args["share"] * (steps - 1))]
    moves = np.asarray(args["moves"][: len(axes)], np.float32)
    values = (made.values + (moves * deviations[: len(moves)]) @ axes[: len(moves)]).astype(np.float32)
    seconds = model.settings.frames * HOP_SECONDS
    with _alone:
        if draft is None:
            heard = model.decode(replace(made, values=values), force=True)
        else:
            heard = model.decode(_part(made, values, draft, seconds, rate), force=True, iterations=DRAFT_ITERATIONS)
    before, after = made.values[0].T, values[0].T
    low, high = float(min(before.min(), after.min())), float(max(before.max(), after.max()))
    parts = {"code": _scaled(before, low, high), "moved": _scaled(after, low, high)}
    sides = {"": heard} | ({"input_": wave} if args["with_input"] else {})
    for name, side in sides.items():
        sound = np.ascontiguousarray(side[:, 0], np.float32)
        parts |= {f"{name}image": spectrogram(sound, rate, ROWS, COLUMNS), f"{name}wave": sound.astype("<f4")}
    header = {
        "rate": rate, "low": low, "high": high, "seconds": seconds, "shares": _shares(deviations),
        "parts": [[name, part.dtype.str[1:], part.shape] for name, part in parts.items()],
    }  # fmt: skip
    return header, b"".join(np.ascontiguousarray(part).tobytes() for part in parts.values())


def _part(made: Codes, values: NDArray[np.float32], first: int, seconds: float, rate: int) -> Codes:
    """The codes of ``DRAFT_SECONDS`` from a patch on; a patch is ``seconds`` long."""
    first = min(first, values.shape[1] - 1)
    last = min(values.shape[1], first + max(1, round(DRAFT_SECONDS / seconds)))
    samples = min(made.samples, round(last * seconds * rate)) - round(first * seconds * rate)
    return replace(made, values=values[:, first:last], times=made.times[first:last], samples=max(1, samples))


def _scaled(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    return np.round(255 * (values - low) / max(high - low, 1e-9)).astype(np.uint8)


def _changed(path: str) -> int:
    return Path(path).stat().st_mtime_ns


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


def sample(args: dict[str, Any], cancelled: threading.Event | None = None) -> Answer:
    """Sample sounds from a variational autoencoder, as ``audioae generate`` does.

    Args:
        args: ``model``, ``count``, ``seed`` and ``patches``.
    """
    with _alone:
        waves, rate = sampled(_autoencoder(args["model"]), min(args["count"], MOST_SOUNDS), args["seed"], args["patches"])
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
