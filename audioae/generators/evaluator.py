"""Evaluation of a generator against real recordings: measures, warnings, pictures and sounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from audioae.audio.files import read
from audioae.audio.formats import AudioInfo, format_for
from audioae.audio.writer import Writer
from audioae.errors import ModelFileError, OutputError
from audioae.generators.generator import Generator
from audioae.generators.measures import GenerationReport, image_diversity
from audioae.nn.trained import TrainedModel
from audioae.plot import save_patches

COLLAPSED, QUIET = 0.5, 0.3
"""Shares of the diversity and of the loudness of real sounds, below which a warning is given."""
ROWS, COLUMNS, SOUNDS = 4, 8, 4
"""Rows and columns of images in a picture, and number of sounds that are written."""


@runtime_checkable
class SoundClassifier(Protocol):
    """A classifier of sounds, by which generators are measured."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    def embed(self, waves: Sequence[NDArray[np.float32]], rate: int) -> NDArray[np.float32]:
        """Embeddings ``(M, E)`` of waves ``(N,)``."""

    def probabilities(self, waves: Sequence[NDArray[np.float32]], rate: int) -> NDArray[np.float32]:
        """Probability of every class, ``(M, classes)``, for waves ``(N,)``."""


def as_classifier(model: TrainedModel) -> SoundClassifier:
    """The model, if it classifies sounds.

    Raises:
        ModelFileError: it is not a classifier.
    """
    if not isinstance(model, SoundClassifier):
        raise ModelFileError(f"{model.name}: is a {model.settings.kind}: give a classifier")
    return model


class Evaluator:
    """Measures generators against real recordings.

    Args:
        files: recordings that were not trained on.
        classifier: a trained classifier, for the measures that need one.

    Raises:
        InputError: a recording cannot be read.
    """

    def __init__(self, files: Sequence[Path], classifier: SoundClassifier | None) -> None:
        self.files = list(files)
        self.classifier = classifier
        self.real: NDArray[np.float32] = np.empty((0, 0), np.float32)
        if classifier is not None:
            waves = [read(path) for path in self.files]
            self.real = np.concatenate([classifier.embed([wave.mean(1)], rate) for wave, rate in waves])

    def evaluate(
        self, model: Generator, count: int | None = None, seed: int = 0
    ) -> tuple[GenerationReport, NDArray[np.float32]]:
        """Report on new sounds, and the sounds ``(count, N)``; ``count`` defaults to the number of recordings."""
        real = model.images_of_files(self.files)
        images, waves = model.draw(count or len(self.files), seed)
        report = GenerationReport(images, real)
        if self.classifier is not None:
            rate, classes = model.rate, model.classes
            sounds, known = list(waves.numpy()), self.classifier.classes
            asked = [known.index(name) if name in known else -1 for name in classes]
            report = report._replace(
                embeddings=self.classifier.embed(sounds, rate),
                real_embeddings=self.real,
                probabilities=self.classifier.probabilities(sounds, rate),
                asked=np.array([asked[n % len(asked)] for n in range(len(sounds))] if asked else [], int),
            )
        return report, waves.numpy()


def alarms(report: GenerationReport) -> list[str]:
    """Warnings about generated sounds: mode collapse and silence."""
    found = []
    if (share := image_diversity(report)) < COLLAPSED:
        found.append(
            f"collapse: the sounds differ {share:.0%} as much as real ones do; lower train.learning_rate, "
            "or choose another loss"
        )
    loudness = float((report.images + 1).mean() / (report.real_images + 1).mean().clamp_min(1e-6))
    if loudness < QUIET:
        found.append(f"silence: the images hold {loudness:.0%} of what real ones do; lower train.learning_rate")
    return found


def show(report: GenerationReport, waves: NDArray[np.float32], rate: int, folder: Path, name: str) -> None:
    """Write a grid of images and a few sounds to a folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    images = report.images[:, 0].cpu().numpy()
    starts = range(0, min(len(images), ROWS * COLUMNS), COLUMNS)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot make the folder: {error.strerror}") from None
    save_patches({str(start): images[start : start + COLUMNS] for start in starts}, folder / f"{name}.png")
    for number, wave in enumerate(waves[:SOUNDS]):
        path = folder / f"{name}-{number}.wav"
        with Writer(path, format_for(path, AudioInfo(rate, 1, len(wave), "WAV", "PCM_16")), overwrite=True) as file:
            file.write(np.clip(wave, -1, 1)[:, None])
