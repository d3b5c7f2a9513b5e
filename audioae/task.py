"""Bases of what a family brings to training: a task, whose forward pass is the loss, and a validation.

The training loop runs a :class:`Task` and a :class:`Validation`, and knows no family.
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
"""Longer recordings are validated on their beginning only."""
SCOUTED = 40
"""Batches whose statistics standardise the bands before the first step."""
Losses = tuple[Tensor, dict[str, Tensor]]
Loader = Callable[[str], TrainedModel]
"""Loads a model by its name or path."""
Wave = NDArray[np.float32]


class Task(nn.Module):
    """A model with the losses of its recipe.

    Args:
        model: what to train.
        recipe: how.
        rank: of this process, for random draws that differ between processes.
        load: loads another model that the training needs.
    """

    def __init__(self, model: TrainedModel, recipe: Recipe, rank: int, load: Loader) -> None:
        super().__init__()
        self.model, self.recipe, self.rank = model, recipe, rank

    staged = False
    """Whether some steps leave out parts of the model."""
    turns = 1
    """Losses of one step, each with an optimiser update of its own."""

    @property
    def others(self) -> dict[str, nn.Module]:
        """Modules that are trained beside the model, and are in no model file."""
        return {}

    @property
    def alarms(self) -> list[str]:
        """Signs that the training goes wrong."""
        return []

    def begin(self, mixer: Mixer) -> None:
        """Prepare the first step of a training that starts without weights from elsewhere."""

    def stage(self, step: int, turn: int = 0) -> None:
        """Choose what is trained at this turn of this step."""

    def seed(self, step: int) -> None:
        """Seed random draws by seed, step and process, so that a resumed training draws the same."""
        torch.manual_seed(int(np.random.SeedSequence([self.recipe.seed, step, self.rank]).generate_state(1, np.uint64)[0]))

    def standardise(self, features: LogBands, mixer: Mixer) -> list[Tensor]:
        """Fit the bands to the clean side of the first batches; returns its spectra ``(B, F, T)``."""
        rows = range(self.recipe.data.batch_size)
        spectra: list[Tensor] = []
        for index in range(SCOUTED):
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
        recipe: what is trained.
        load: loads another model that is needed to measure.
        config: another ``valid`` section than the recipe's.

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
            # Spread over all of them: the first few might all be of one class or voice.
            every = max(1, len(clips) // self.config.at_most)
            self.files = [(clip.path, clip.path) for clip in clips[::every][: self.config.at_most]]
        else:
            pairs = [pair for entry in self.config.pairs for pair in find_pairs(entry)][: self.config.at_most]
            self.files = [(pair.noisy, pair.clean) for pair in pairs]
        if not self.files:
            raise DataError("valid.pairs is empty: give a folder with noisy/ and clean/ below it")
        # Also finds out, before the training starts, whether every measure can be taken.
        both = [[beginning(path) for path in sides] for sides in self.files] if self.of_waves else []
        self.noisy = _means([measure(self.of_waves, noisy, clean, rate) for (noisy, rate), (clean, _) in both])
        """The same measures of the unprocessed input."""

    def estimate(self, model: Any, clock: Callable[[], float] = time.monotonic) -> float:
        """Seconds that :meth:`run` will take, extrapolated from its first recording."""
        whole, self.files = self.files, self.files[:1]
        try:
            self.run(model)  # a first run takes longer than those that follow
            start = clock()
            self.run(model)
            took = clock() - start
        finally:
            self.files = whole
        lengths = [min(probe(noisy).seconds, LONGEST_SECONDS) for noisy, _ in whole]
        return took * sum(lengths) / max(lengths[0], 1e-3)

    def run(self, model: Any, measured: Callable[[int, int], None] = lambda done, of: None) -> dict[str, float]:
        """The measures of a model as it is now.

        Args:
            model: of this family.
            measured: called after each recording, with how many are done, of how many.
        """
        model.eval()
        self.alarms = []
        figures = self.of_model(model) if self.others else {}
        if self.of_waves:
            each = []
            for sides in self.files:
                each.append(self._waves(model, *sides))
                measured(len(each), len(self.files))
            figures |= _means(each)
        return figures

    def of_model(self, model: Any) -> dict[str, float]:
        """Measures that are not those of waves."""
        return {}

    def show(self, folder: Path, name: str) -> None:
        """Leave pictures and sounds of the last :meth:`run` in a folder, if the family has some.

        Raises:
            OutputError: the folder cannot be written.
        """

    def _waves(self, model: StreamingModel, *sides: Path) -> dict[str, float]:
        (noisy, rate), (clean, _) = (beginning(side) for side in sides)
        with torch.inference_mode():
            estimate = model.clean(torch.from_numpy(noisy.T.copy()).unsqueeze(0).to(model.device), rate)
        return measure(self.of_waves, estimate[0].T.cpu().numpy(), clean, rate)


def places(known: Sequence[str], labels: Sequence[str], device: torch.device) -> Tensor:
    """Indices ``(B,)`` of the examples' classes among those that a model knows.

    Raises:
        DataError: a class that it does not know.
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
