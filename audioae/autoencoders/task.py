"""Training of autoencoders: patches to the same patches, through a code."""

from collections.abc import Sequence

import torch
from torch import Tensor

from audioae import task
from audioae.autoencoders import measures
from audioae.autoencoders.autoencoder import Autoencoder
from audioae.autoencoders.models.autoencoder import Model as Network
from audioae.data.mixer import Mixer
from audioae.family import every_family, weighted_sum
from audioae.task import Losses, beginning

COLLAPSED = 0.25
"""Share of active units of a variational code below which posterior collapse is reported."""


class Task(task.Task):
    """Patches to patches; greedy layer-by-layer training first if the recipe has ``train.stages``."""

    model: Autoencoder
    depth: int | None = None

    @property
    def network(self) -> Network:
        """The network of the model."""
        return self.model.network

    @torch.no_grad()
    def begin(self, mixer: Mixer) -> None:
        """Standardise the bands by the first batches, and initialise by their principal components."""
        features = self.network.features
        patches = [self.network.patches(s, features.level(s)).flatten(0, 1) for s in self.standardise(features, mixer)]
        self.network.begin_with_components(torch.cat(patches))

    def stage(self, step: int, turn: int = 0) -> None:
        """Select one level, the code, or all parameters for training."""
        ends = torch.tensor(self.recipe.train.stages).cumsum(0).tolist()
        number = next((n for n, end in enumerate(ends) if step < end), len(ends))
        levels = len(self.network.stack.levels)
        self.depth = number + 1 if number < min(levels, len(ends)) else None
        together = number == len(ends)
        for n, level in enumerate(self.network.stack.levels):
            level.requires_grad_(together or (self.depth is not None and n == number))
        for name, part in self.network.named_children():
            if name not in ("stack", "features"):
                part.requires_grad_(self.depth is None)

    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""
        corruption, network = self.recipe.corruption, self.network
        self.seed(step)
        transform = self.model.transform(rate)
        target = transform(clean)[:, 0]
        source = transform(noisy)[:, 0] if corruption.noise else target
        level = network.features.level(source)
        wanted, given = (network.patches(spec, level).flatten(0, 1) for spec in (target, source))
        if corruption.masking:
            given = given * (torch.rand_like(given) >= corruption.masking)
        if corruption.gaussian:
            given = given + corruption.gaussian * torch.randn_like(given)
        return weighted_sum(self.recipe.losses, (network.autoencode(given, wanted, self.depth)._replace(step=step),))


class Validation(task.Validation):
    """Autoencoders are measured on all patches together, and as denoisers by measures of waves.

    The targets are patches of the clean side; the input is the noisy side if the recipe's corruption is real noise.
    """

    @torch.no_grad()
    def of_model(self, model: Autoencoder) -> dict[str, float]:
        """Measures of codes and reconstructed patches."""
        wanted, given = [], []
        for sides in self.files:
            (noisy, rate), (clean, _) = (beginning(side) for side in sides)
            source, target = (torch.from_numpy(side.mean(1, keepdims=True).T.copy()) for side in (noisy, clean))
            found = model.patches(source if self.recipe.corruption.noise else target, rate)
            given.append(found.values[0])
            wanted.append(model.patches(target, rate, found.level).values[0])
        output = model.network.autoencode(torch.cat(given), torch.cat(wanted))
        if (used := measures.active_units(output)) < COLLAPSED:
            self.alarms.append(
                f"posterior collapse: {used:.0%} of the units of the code are in use; lower losses.kl_prior.weight, "
                "or give losses.kl_prior.free_bits and a longer warm_up"
            )
        functions = every_family()["autoencoders"].measures
        return {name: functions[name](output) for name in self.others}
