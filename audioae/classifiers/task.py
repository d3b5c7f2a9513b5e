"""Training of classifiers: recordings to the names of their classes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from audioae import task
from audioae.classifiers.classifier import Classifier
from audioae.data.gather import class_of
from audioae.data.mixer import Mixer
from audioae.errors import DataError
from audioae.family import every_family, weighted_sum
from audioae.task import Losses, beginning, places


class Task(task.Task):
    """Recordings to classes."""

    model: Classifier

    @torch.no_grad()
    def begin(self, mixer: Mixer) -> None:
        """Standardise the bands by the first batches."""
        self.standardise(self.model.network.features, mixer)

    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""
        self.seed(step)
        right = places(self.model.classes, labels, noisy.device)
        network = self.model.network
        return weighted_sum(self.recipe.losses, (network(network.patches(self.model.transform(rate)(noisy)[:, 0])), right))


class Validation(task.Validation):
    """Classifiers are measured on all recordings together."""

    @torch.no_grad()
    def of_model(self, model: Classifier) -> dict[str, float]:
        """Measures of logits and correct classes."""
        network, part = model.network, self.recipe.data.label
        assert part is not None, "a recipe for a classifier has data.label"
        logits, right = [], []
        for _, path in self.files:
            wave, rate = beginning(path)
            spec: Tensor = model.transform(rate)(torch.from_numpy(wave.mean(1))[None, None].to(model.device))[:, 0]
            name = class_of(path, part)
            if name not in model.classes:
                raise DataError(f"{path}: is of the class {name!r}, which is not among model.classes")
            logits.append(network(network.patches(spec)))
            right.append(model.classes.index(name))
        together = torch.cat(logits).cpu(), torch.tensor(right)
        functions = every_family()["classifiers"].measures
        return {name: functions[name](*together) for name in self.others}
