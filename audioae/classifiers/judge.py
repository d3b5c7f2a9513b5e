"""A classifier as the judge of sounds: how often it is right, and how far sounds are from real ones in its embedding."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.audio.files import read
from audioae.classifiers.models.classifier import Model as Classifier
from audioae.data.gather import class_of
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import BundleError, DataError

Wave = NDArray[np.float32]


class Judge:
    """A trained classifier.

    Args:
        denoiser: what :func:`audioae.load` gave for a classifier.

    Raises:
        BundleError: something else than a classifier.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        if denoiser.recipe.family != "labels":
            raise BundleError(f"{denoiser.name}: is a {denoiser.recipe.model.kind}: give a classifier")
        self.denoiser, self.model = denoiser, cast(Classifier, denoiser.model)

    def embed(self, waves: Sequence[Wave], rate: int) -> NDArray[np.float32]:
        """Embeddings ``(M, E)`` of waves ``(N,)``."""
        with torch.inference_mode():
            return torch.cat([self._embed(wave, rate) for wave in waves]).cpu().numpy()

    def probabilities(self, waves: Sequence[Wave], rate: int) -> NDArray[np.float32]:
        """How sure it is of every class, ``(M, classes)``."""
        with torch.inference_mode():
            logits = torch.cat([self.model.logits(self._embed(wave, rate)) for wave in waves])
            return torch.softmax(logits, 1).cpu().numpy()

    def accuracy(self, files: Sequence[Path]) -> float:
        """Share of the recordings that it names right; their names say what they are, as in its training.

        Raises:
            DataError: no recordings, or a name without a class.
        """
        part = self.denoiser.recipe.data.label
        if not files or part is None:
            raise DataError("no recordings to judge")
        right = [
            self.model.config.classes[int(self.probabilities([wave[:, 0]], rate).argmax())] == class_of(path, part)
            for path in files
            for wave, rate in [read(path)]
        ]
        return float(np.mean(right))

    def _embed(self, wave: Wave, rate: int) -> torch.Tensor:
        spec = self.denoiser.transform(rate)(torch.from_numpy(wave.copy())[None, None].to(self.denoiser.device))[:, 0]
        return self.model.embed(self.model.patches(spec))
