"""How good the weights are by now: real measures on pairs that are not trained on."""

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.audio.files import read
from audioae.data.pairs import Pair, find_pairs
from audioae.denoiser import Denoiser
from audioae.errors import DataError
from audioae.metrics.measures import measure
from audioae.recipe import ValidConfig

LONGEST_SECONDS = 20
"""Of longer recordings only the beginning is used."""


class Validation:
    """The pairs and measures of a recipe's ``valid`` section.

    Raises:
        DataError: no pairs, or pairs that do not fit.
    """

    def __init__(self, config: ValidConfig) -> None:
        self.config = config
        self.pairs = [pair for entry in config.pairs for pair in find_pairs(entry)][: config.at_most]
        if not self.pairs:
            raise DataError("valid.pairs is empty: give a folder with noisy/ and clean/ below it")
        names = list(config.measures)
        # Also finds out, before the training starts, whether every measure can be taken.
        noisy = [measure(names, *self._read(pair), pair.rate) for pair in self.pairs]
        self.noisy = _means(noisy)
        """The same measures of the unprocessed input."""

    def run(self, denoiser: Denoiser) -> dict[str, float]:
        """Means of the measures over the pairs."""
        denoiser.eval()
        results = []
        for pair in self.pairs:
            noisy, clean = self._read(pair)
            with torch.inference_mode():
                wave = torch.from_numpy(noisy.T.copy()).unsqueeze(0).to(denoiser.device)
                estimate = denoiser.clean(wave, pair.rate)[0].T.cpu().numpy()
            results.append(measure(list(self.config.measures), estimate, clean, pair.rate))
        return _means(results)

    @staticmethod
    def _read(pair: Pair) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        frames = min(pair.frames, LONGEST_SECONDS * pair.rate)
        return read(pair.noisy, 0, frames)[0], read(pair.clean, 0, frames)[0]


def _means(results: list[dict[str, float]]) -> dict[str, float]:
    return {
        name: float(np.mean(good)) if (good := [r[name] for r in results if not np.isnan(r[name])]) else float("nan")
        for name in results[0]
    }
