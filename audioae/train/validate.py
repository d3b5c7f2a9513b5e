"""How good the weights are by now: real measures on recordings that are not trained on."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.audio.files import probe, read
from audioae.autoencoders.patches import patches_of
from audioae.autoencoders.stacks import Pass
from audioae.classifiers.judge import Judge
from audioae.classifiers.models.classifier import Model as Classifier
from audioae.data.gather import class_of
from audioae.data.pairs import find_pairs
from audioae.data.sources import find
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import DataError
from audioae.generators.listening import Listening, alarms, show
from audioae.generators.measures import Beside
from audioae.measures.table import CODE_MEASURES, LABEL_MEASURES, MEASURES, SOUND_MEASURES, measure
from audioae.modelfile import load
from audioae.recipe import Recipe, ValidConfig

LONGEST_SECONDS = 20
"""Of longer recordings only the beginning is used."""
COLLAPSED = 0.25
"""Share of the units of a variational code below which it is said to have collapsed."""
Wave = NDArray[np.float32]


class Validation:
    """The recordings and measures of a recipe's ``valid`` section.

    An autoencoder's own measures are taken on all patches together: those of the clean side, rebuilt from the noisy one
    where the recipe's corruption is real noise. A classifier's are taken on all recordings together, and a generator's on as
    many sounds as there are recordings.

    Args:
        recipe: what is trained.
        config: another ``valid`` section than the recipe's.

    Raises:
        DataError: no recordings, or pairs that do not fit.
    """

    def __init__(self, recipe: Recipe, config: ValidConfig | None = None) -> None:
        self.recipe, self.config = recipe, config or recipe.valid
        self.alarms: list[str] = []
        """What the last :meth:`run` found to have gone wrong."""
        self.of_waves, self.of_codes, self.of_labels, self.of_sounds = (
            [name for name in self.config.measures if name in known]
            for known in (MEASURES, CODE_MEASURES, LABEL_MEASURES, SOUND_MEASURES)
        )
        if self.config.clean:
            clips = find(self.config.clean, recipe.data.max_skipped).clips
            # Spread over all of them: the first few might all be of one class or voice.
            every = max(1, len(clips) // self.config.at_most)
            self.files = [(clip.path, clip.path) for clip in clips[::every][: self.config.at_most]]
        else:
            pairs = [pair for entry in self.config.pairs for pair in find_pairs(entry)][: self.config.at_most]
            self.files = [(pair.noisy, pair.clean) for pair in pairs]
        if not self.files:
            raise DataError("valid.pairs is empty: give a folder with noisy/ and clean/ below it")
        self.listening: Listening | None = None
        """Where what a generator draws is measured."""
        self.heard: tuple[Beside, Wave] | None = None
        if recipe.family == "sounds":
            judge = Judge(load(self.config.judge)) if self.config.judge else None
            self.listening = Listening([clean for _, clean in self.files], judge)
        # Also finds out, before the training starts, whether every measure can be taken.
        both = [[_beginning(path) for path in sides] for sides in self.files] if self.of_waves else []
        self.noisy = _means([measure(self.of_waves, noisy, clean, rate) for (noisy, rate), (clean, _) in both])
        """The same measures of the unprocessed input."""

    def estimate(self, denoiser: Denoiser, clock: Callable[[], float] = time.monotonic) -> float:
        """Seconds that :meth:`run` will take, by its first recording; all of it is run where nothing less can be."""
        if self.listening is not None:
            start = clock()
            self.run(denoiser)
            return clock() - start
        whole, self.files = self.files, self.files[:1]
        try:
            self.run(denoiser)  # a first run takes longer than those that follow
            start = clock()
            self.run(denoiser)
            took = clock() - start
        finally:
            self.files = whole
        lengths = [min(probe(noisy).seconds, LONGEST_SECONDS) for noisy, _ in whole]
        return took * sum(lengths) / max(lengths[0], 1e-3)

    def run(self, denoiser: Denoiser, measured: Callable[[int, int], None] = lambda done, of: None) -> dict[str, float]:
        """The measures of a model as it is now.

        Args:
            denoiser: the model.
            measured: called after each recording, with how many are done, of how many.
        """
        denoiser.eval()
        self.alarms = []
        figures: dict[str, float] = {}
        with torch.no_grad():
            if self.of_codes:
                figures |= self._codes(denoiser)
            if self.of_labels:
                figures |= self._labels(denoiser)
        if self.listening is not None:
            self.heard = self.listening.hear(denoiser)
            self.alarms = alarms(self.heard[0])
            figures |= {name: SOUND_MEASURES[name](self.heard[0]) for name in self.of_sounds}
        if self.of_waves:
            each = []
            for sides in self.files:
                each.append(self._waves(denoiser, *sides))
                measured(len(each), len(self.files))
            figures |= _means(each)
        return figures

    def show(self, folder: Path, name: str) -> None:
        """Leave something to look at and to hear of the last :meth:`run`, where a generator was measured.

        Raises:
            OutputError: the folder cannot be written.
        """
        if self.heard is not None:
            show(*self.heard, getattr(self.recipe.model, "rate", 0), folder, name)

    def _waves(self, denoiser: Denoiser, *sides: Path) -> dict[str, float]:
        (noisy, rate), (clean, _) = (_beginning(side) for side in sides)
        with torch.inference_mode():
            estimate = denoiser.clean(torch.from_numpy(noisy.T.copy()).unsqueeze(0).to(denoiser.device), rate)
        return measure(self.of_waves, estimate[0].T.cpu().numpy(), clean, rate)

    def _codes(self, denoiser: Denoiser) -> dict[str, float]:
        wanted, given = [], []
        for sides in self.files:
            (noisy, rate), (clean, _) = (_beginning(side) for side in sides)
            heard, target = (torch.from_numpy(side.mean(1, keepdims=True).T.copy()) for side in (noisy, clean))
            found = patches_of(denoiser, heard if self.recipe.corruption.noise else target, rate)
            given.append(found.values[0])
            wanted.append(patches_of(denoiser, target, rate, found.level).values[0])
        passed: Pass = denoiser.model.autoencode(torch.cat(given), torch.cat(wanted))
        if (used := CODE_MEASURES["active_units"](passed)) < COLLAPSED:
            self.alarms.append(
                f"posterior collapse: {used:.0%} of the units of the code are in use; lower losses.kl_prior.weight, "
                "or give losses.kl_prior.free_bits and a longer warm_up"
            )
        return {name: CODE_MEASURES[name](passed) for name in self.of_codes}

    def _labels(self, denoiser: Denoiser) -> dict[str, float]:
        model, part = cast(Classifier, denoiser.model), self.recipe.data.label
        assert part is not None, "the recipe's check saw to it"
        logits, right = [], []
        for _, path in self.files:
            wave, rate = _beginning(path)
            spec: Tensor = denoiser.transform(rate)(torch.from_numpy(wave.mean(1))[None, None].to(denoiser.device))[:, 0]
            name = class_of(path, part)
            if name not in model.config.classes:
                raise DataError(f"{path}: is of the class {name!r}, which is not among model.classes")
            logits.append(model(model.patches(spec)))
            right.append(model.config.classes.index(name))
        together = torch.cat(logits).cpu(), torch.tensor(right)
        return {name: LABEL_MEASURES[name](*together) for name in self.of_labels}


def _beginning(path: Path) -> tuple[Wave, int]:
    return read(path, 0, min(probe(path).frames, round(LONGEST_SECONDS * probe(path).rate)))


def _means(results: list[dict[str, float]]) -> dict[str, float]:
    return {
        name: float(np.mean(good)) if (good := [r[name] for r in results if not np.isnan(r[name])]) else float("nan")
        for name in (results[0] if results else ())
    }
