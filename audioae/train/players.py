"""What is trained, as a module whose forward pass is the loss: a denoiser, an autoencoder or a classifier."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from audioae import terms
from audioae.autoencoders.models.autoencoder import Model as Autoencoder
from audioae.classifiers.models.classifier import Model as Classifier
from audioae.data.mixer import Mixer
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import DataError
from audioae.nn.log_bands import LogBands
from audioae.train.teacher import Teacher

LEVEL = 0.1
"""RMS that the noisy input is brought to before the losses."""
SCOUTED = 40
"""Batches by which bands are standardised before the first step."""

Losses = tuple[Tensor, dict[str, Tensor]]


class Player(nn.Module):
    """A model with the losses of its recipe.

    Args:
        denoiser: what to train.
        rank: of this process, for draws that differ between processes.
    """

    def __init__(self, denoiser: Denoiser, rank: int) -> None:
        super().__init__()
        self.denoiser, self.recipe, self.rank = denoiser, denoiser.recipe, rank

    turns = 1
    """Losses of one step, each with its own update."""

    @property
    def others(self) -> dict[str, nn.Module]:
        """What is trained beside the model, and is in no bundle."""
        return {}

    @property
    def alarms(self) -> list[str]:
        """What seems to go wrong in the training itself."""
        return []

    def begin(self, mixer: Mixer) -> None:
        """What there is to do before the first step of a training that begins with no weights from elsewhere."""

    def stage(self, step: int, turn: int = 0) -> None:
        """Choose what is trained at this turn of this step."""

    def draw(self, step: int) -> None:
        """Make what is drawn depend on seed, step and process alone, so that a training that is resumed draws the same."""
        torch.manual_seed(int(np.random.SeedSequence([self.recipe.seed, step, self.rank]).generate_state(1, np.uint64)[0]))


class DenoisingPlayer(Player):
    """Noisy wave to clean wave, or towards what a teacher makes of it."""

    def __init__(self, denoiser: Denoiser, rank: int) -> None:
        super().__init__(denoiser, rank)
        train = self.recipe.train
        self.teacher = Teacher(train.teacher, train.teacher_share) if train.teacher else None

    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""
        scale = LEVEL / noisy.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-5)
        estimate = self.denoiser(noisy, rate)
        with torch.autocast(noisy.device.type, enabled=False):
            told = None if self.teacher is None else self.teacher.target(noisy, clean, rate) * scale
            return terms.total(self.recipe.losses, estimate.float() * scale, clean * scale, rate, told=told)


class CodingPlayer(Player):
    """Patches to the same patches, through a code; greedily level by level first where the recipe has stages."""

    depth: int | None = None

    @property
    def model(self) -> Autoencoder:
        """The autoencoder."""
        return cast(Autoencoder, self.denoiser.model)

    @torch.no_grad()
    def begin(self, mixer: Mixer) -> None:
        """Standardise the bands by what the first batches hold, and begin with its components: the same in every process."""
        spectra = _standardise(self.model.features, self, mixer)
        patches = [self.model.patches(s, self.model.features.level(s)).flatten(0, 1) for s in spectra]
        self.model.begin_with_components(torch.cat(patches))

    def stage(self, step: int, turn: int = 0) -> None:
        """Train one level alone, or the code alone, or all together."""
        ends = torch.tensor(self.recipe.train.stages).cumsum(0).tolist()
        number = next((n for n, end in enumerate(ends) if step < end), len(ends))
        levels = len(self.model.stack.levels)
        self.depth = number + 1 if number < min(levels, len(ends)) else None
        together = number == len(ends)
        for n, level in enumerate(self.model.stack.levels):
            level.requires_grad_(together or (self.depth is not None and n == number))
        for name, part in self.model.named_children():
            if name not in ("stack", "features"):
                part.requires_grad_(self.depth is None)

    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""
        corruption = self.recipe.corruption
        self.draw(step)
        transform = self.denoiser.transform(rate)
        target = transform(clean)[:, 0]
        heard = transform(noisy)[:, 0] if corruption.noise else target
        level = self.model.features.level(heard)
        wanted, given = (self.model.patches(spec, level).flatten(0, 1) for spec in (target, heard))
        if corruption.masking:
            given = given * (torch.rand_like(given) >= corruption.masking)
        if corruption.gaussian:
            given = given + corruption.gaussian * torch.randn_like(given)
        passed = self.model.autoencode(given, wanted, self.depth)._replace(step=step)
        return terms.total(self.recipe.losses, passed)


class ClassifyingPlayer(Player):
    """Recordings to the names of their classes."""

    @property
    def model(self) -> Classifier:
        """The classifier."""
        return cast(Classifier, self.denoiser.model)

    @torch.no_grad()
    def begin(self, mixer: Mixer) -> None:
        """Standardise the bands by what the first batches hold."""
        _standardise(self.model.features, self, mixer)

    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""
        self.draw(step)
        right = places(self.model.config.classes, labels, noisy.device)
        logits = self.model(self.model.patches(self.denoiser.transform(rate)(noisy)[:, 0]))
        return terms.total(self.recipe.losses, logits, right)


def places(known: Sequence[str], labels: Sequence[str], device: torch.device) -> Tensor:
    """Places ``(B,)`` of the examples' classes among those that a model knows.

    Raises:
        DataError: a class that it does not know.
    """
    for name in labels:
        if name not in known:
            raise DataError(f"data.clean holds the class {name!r}, which is not among model.classes ({', '.join(known)})")
    return torch.tensor([list(known).index(name) for name in labels], device=device)


def _standardise(features: LogBands, player: Player, mixer: Mixer) -> list[Tensor]:
    """Fit the bands to the clean side of the first batches, and return its spectra ``(B, F, T)``."""
    rows = range(player.recipe.data.batch_size)
    spectra: list[Tensor] = []
    for index in range(SCOUTED):
        batch = mixer.batch(index, rows)
        spectra.append(player.denoiser.transform(batch.rate)(batch.clean.to(player.denoiser.device))[:, 0])
    features.fit(torch.cat([features.relative(s, features.level(s)).flatten(0, 1) for s in spectra]))
    return spectra
