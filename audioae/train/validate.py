"""How good the weights are by now: real measures on pairs that are not trained on."""

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.audio.files import read
from audioae.data.pairs import Pair, find_pairs
from audioae.denoiser import Denoiser
from audioae.errors import DataError
from audioae.metrics.measures import CODE_MEASURES, MEASURES, measure
from audioae.models.autoencoder import Model as Autoencoder
from audioae.nn.stacks import Pass
from audioae.recipe import Corruption, ValidConfig

LONGEST_SECONDS = 20
"""Of longer recordings only the beginning is used."""


class Validation:
    """The pairs and measures of a recipe's ``valid`` section.

    An autoencoder's own measures are taken on all patches of the pairs together: those of the clean side, rebuilt from the
    noisy one where the recipe's corruption is real noise.

    Args:
        config: the section.
        corruption: the recipe's.

    Raises:
        DataError: no pairs, or pairs that do not fit.
    """

    def __init__(self, config: ValidConfig, corruption: Corruption) -> None:
        self.config, self.corruption = config, corruption
        self.of_waves = [name for name in config.measures if name in MEASURES]
        self.of_codes = [name for name in config.measures if name in CODE_MEASURES]
        self.pairs = [pair for entry in config.pairs for pair in find_pairs(entry)][: config.at_most]
        if not self.pairs:
            raise DataError("valid.pairs is empty: give a folder with noisy/ and clean/ below it")
        # Also finds out, before the training starts, whether every measure can be taken.
        self.noisy = _means([measure(self.of_waves, *self._read(pair), pair.rate) for pair in self.pairs])
        """The same measures of the unprocessed input."""

    def run(self, denoiser: Denoiser) -> dict[str, float]:
        """Means of the measures over the pairs."""
        denoiser.eval()
        figures = self._codes(denoiser) if self.of_codes else {}
        if not self.of_waves:
            return figures
        results = []
        for pair in self.pairs:
            noisy, clean = self._read(pair)
            with torch.inference_mode():
                wave = torch.from_numpy(noisy.T.copy()).unsqueeze(0).to(denoiser.device)
                estimate = denoiser.clean(wave, pair.rate)[0].T.cpu().numpy()
            results.append(measure(self.of_waves, estimate, clean, pair.rate))
        return figures | _means(results)

    @torch.no_grad()
    def _codes(self, denoiser: Denoiser) -> dict[str, float]:
        model = denoiser.model
        assert isinstance(model, Autoencoder)
        wanted, given = [], []
        for pair in self.pairs:
            sides = [torch.from_numpy(side.mean(1)).to(denoiser.device) for side in self._read(pair)]
            heard, target = (denoiser.transform(pair.rate)(side[None, None])[:, 0] for side in sides)
            heard = heard if self.corruption.noise else target
            level = model.level(heard)
            wanted.append(model.patches(target, level).flatten(0, 1))
            given.append(model.patches(heard, level).flatten(0, 1))
        passed: Pass = model.autoencode(torch.cat(given), torch.cat(wanted))
        return {name: CODE_MEASURES[name](passed) for name in self.of_codes}

    @staticmethod
    def _read(pair: Pair) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        frames = min(pair.frames, LONGEST_SECONDS * pair.rate)
        return read(pair.noisy, 0, frames)[0], read(pair.clean, 0, frames)[0]


def _means(results: list[dict[str, float]]) -> dict[str, float]:
    return {
        name: float(np.mean(good)) if (good := [r[name] for r in results if not np.isnan(r[name])]) else float("nan")
        for name in results[0]
    }
