"""Classifiers of short recordings: class probabilities and embeddings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.audio.files import read
from audioae.classifiers.models.classifier import Config
from audioae.classifiers.models.classifier import Model as Network
from audioae.data.gather import class_of
from audioae.errors import DataError
from audioae.nn.trained import TrainedModel
from audioae.recipe import recipe_of

Wave = NDArray[np.float32]


class Classifier(TrainedModel):
    """A trained classifier.

    >>> import audioae
    >>> digits = audioae.load("digits", family=audioae.Classifier)
    >>> digits.probabilities([np.zeros(8000, np.float32)], 8000).shape
    (1, 10)
    """

    settings: Config
    network: Network

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.settings.classes

    def embed(self, waves: Sequence[Wave], rate: int) -> NDArray[np.float32]:
        """Embeddings ``(M, E)`` of waves ``(N,)``."""
        with torch.inference_mode():
            return torch.cat([self._embed(wave, rate) for wave in waves]).cpu().numpy()

    def probabilities(self, waves: Sequence[Wave], rate: int) -> NDArray[np.float32]:
        """Probability of every class, ``(M, classes)``, for waves ``(N,)``."""
        with torch.inference_mode():
            logits = torch.cat([self.network.logits(self._embed(wave, rate)) for wave in waves])
            return torch.softmax(logits, 1).cpu().numpy()

    def accuracy(self, files: Sequence[Path]) -> float:
        """Share of recordings that are classified correctly; file names contain the classes, as in training.

        Raises:
            DataError: no recordings, or a name without a class.
        """
        part = recipe_of(self).data.label
        if not files or part is None:
            raise DataError("no recordings to judge")
        right = [
            self.classes[int(self.probabilities([wave[:, 0]], rate).argmax())] == class_of(path, part)
            for path in files
            for wave, rate in [read(path)]
        ]
        return float(np.mean(right))

    def _embed(self, wave: Wave, rate: int) -> torch.Tensor:
        spec = self.transform(rate)(torch.from_numpy(wave.copy())[None, None].to(self.device))[:, 0]
        return self.network.embed(self.network.patches(spec))
