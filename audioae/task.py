"""Base classes for training: a task, whose forward pass computes the loss, and a validation.

The training loop runs a :class:`Task` and a :class:`Validation` of any family.
"""

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audioae.audio.files import probe, read
from audioae.data.mixer import Mixer
from audioae.data.pairs import find_pairs
from audioae.data.sources import find
from audioae.errors import DataError
from audioae.measures.table import MEASURES, measure
from audioae.nn.log_bands import LogBands
from audioae.nn.trained import StreamingModel, TrainedModel
from audioae.recipe import Recipe, ValidConfig

LONGEST_SECONDS = 20
"""Only the beginning of longer recordings is used for validation."""
SETUP_BATCHES = 40
"""Number of batches from which the bands are standardised before the first step."""
Losses = tuple[Tensor, dict[str, Tensor]]
Loader = Callable[[str], TrainedModel]
"""Loads a model by its name or path."""
Wave = NDArray[np.float32]


class Task(nn.Module):
    """A model with the losses of its recipe.

    Args:
        model: the model to train.
        recipe: the recipe.
        rank: rank of this process; random draws differ between processes.
        load: loads other models, such as a teacher.
    """

    def __init__(self, model: TrainedModel, recipe: Recipe, rank: int, load: Loader) -> None:
        super().__init__()
        self.model, self.recipe, self.rank = model, recipe, rank

    staged = False
    """Whether some steps train a part of the model only."""
    turns = 1
    """Optimiser updates per step, each with its own loss."""

    @property
    def others(self) -> dict[str, nn.Module]:
        """Further modules that are trained, such as a critic; they are saved in the checkpoint only."""
        return {}

    @property
    def alarms(self) -> list[str]:
        """Warnings that the training goes wrong."""
        return []

    def begin(self, mixer: Mixer) -> None:
        """Initialise the model from data; called before the first step, unless weights were loaded."""

    def stage(self, step: int, turn: int = 0) -> None:
        """Select the parameters that are trained by update ``turn`` of this step."""

    def seed(self, step: int) -> None:
        """Seed random draws by seed, step and rank, so that a resumed training draws the same numbers."""
        torch.manual_seed(int(np.random.SeedSequence([self.recipe.seed, step, self.rank]).generate_state(1, np.uint64)[0]))

    def standardise(self, features: LogBands, mixer: Mixer) -> list[Tensor]:
        """Fit the bands to the clean side of the first batches; returns its spectra ``(B, F, T)``."""
        rows = range(self.recipe.data.batch_size)
        spectra: list[Tensor] = []
        for index in range(SETUP_BATCHES):
            batch = mixer.batch(index, rows)
            spectra.append(self.model.transform(batch.rate)(batch.clean.to(self.model.device))[:, 0])
        features.fit(torch.cat([features.relative(s, features.level(s)).flatten(0, 1) for s in spectra]))
        return spectra

    @abstractmethod
    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""


class Validation:
    """Measures on the held-out recordings of a recipe's ``valid`` section.

    Args:
        recipe: the recipe.
        load: loads other models, such as a classifier.
        config: replaces the recipe's ``valid`` section.

    Raises:
        DataError: no recordings, or pairs that do not fit.
    """

    def __init__(self, recipe: Recipe, load: Loader, config: ValidConfig | None = None) -> None:
        self.recipe, self.config = recipe, config or recipe.valid
        self.alarms: list[str] = []
        """Warnings of the last :meth:`run`."""
        self.of_waves = [name for name in self.config.measures if name in MEASURES]
        self.others = [name for name in self.config.measures if name not in MEASURES]
        if self.config.clean:
            clips = find(self.config.clean, recipe.data.max_skipped).clips
            # Spread over all recordings: the first ones may be of one class or voice.
            every = max(1, len(clips) // self.config.at_most)
            self.files = [(clip.path, clip.path) for clip in clips[::every][: self.config.at_most]]
        else:
            pairs = [pair for entry in self.config.pairs for pair in find_pairs(entry)][: self.config.at_most]
            self.files = [(pair.noisy, pair.clean) for pair in pairs]
        if not self.files:
            raise DataError("valid.pairs is empty: give a folder with noisy/ and clean/ below it")
        # This also checks that all measures can be computed before the training starts.
        both = [[beginning(path) for path in sides] for sides in self.files] if self.of_waves else []
        self.noisy = _means([measure(self.of_waves, noisy, clean, rate) for (noisy, rate), (clean, _) in both])
        """The same measures of the unprocessed input."""

    def estimate(self, model: Any, clock: Callable[[], float] = time.monotonic) -> float:
        """Seconds that :meth:`run` will take, extrapolated from its first recording."""
        whole, self.files = self.files, self.files[:1]
        try:
            self.run(model)  # the first run is slower
            start = clock()
            self.run(model)
            took = clock() - start
        finally:
            self.files = whole
        lengths = [min(probe(noisy).seconds, LONGEST_SECONDS) for noisy, _ in whole]
        return took * sum(lengths) / max(lengths[0], 1e-3)

    def run(self, model: Any, measured: Callable[[int, int], None] = lambda done, of: None) -> dict[str, float]:
        """Measure a model.

        Args:
            model: a model of this family.
            measured: called after each recording with the number of recordings done, and of all.
        """
        model.eval()
        self.alarms = []
        figures = self.of_model(model) if self.others else {}
        if self.of_waves:
            each = []
            for sides in self.files:
                each.append(self.of_recording(model, *sides))
                measured(len(each), len(self.files))
            figures |= _means(each)
        return figures

    def of_model(self, model: Any) -> dict[str, float]:
        """Measures of the family that are not measures of waves."""
        return {}

    def show(self, folder: Path, name: str) -> None:
        """Write pictures and sounds of the last :meth:`run` to a folder, if the family has any.

        Raises:
            OutputError: the folder cannot be written.
        """

    def of_recording(self, model: StreamingModel, *sides: Path) -> dict[str, float]:
        """Measures of the cleaned waves of one recording, given by its noisy and its clean file."""
        (noisy, rate), (clean, _) = (beginning(side) for side in sides)
        with torch.inference_mode():
            estimate = model.clean(torch.from_numpy(noisy.T.copy()).unsqueeze(0).to(model.device), rate)
        return measure(self.of_waves, estimate[0].T.cpu().numpy(), clean, rate)


def places(known: Sequence[str], labels: Sequence[str], device: torch.device) -> Tensor:
    """Indices ``(B,)`` of the examples' classes in the model's list of classes.

    Raises:
        DataError: a class that the model does not have.
    """
    for name in labels:
        if name not in known:
            raise DataError(f"data.clean holds the class {name!r}, which is not among model.classes ({', '.join(known)})")
    return torch.tensor([list(known).index(name) for name in labels], device=device)


def beginning(path: Path) -> tuple[Wave, int]:
    """The first :data:`LONGEST_SECONDS` of a recording, ``(frames, channels)``, and its rate."""
    return read(path, 0, min(probe(path).frames, round(LONGEST_SECONDS * probe(path).rate)))


def _means(results: list[dict[str, float]]) -> dict[str, float]:
    return {
        name: float(np.mean(good)) if (good := [r[name] for r in results if not np.isnan(r[name])]) else float("nan")
        for name in (results[0] if results else ())
    }
