"""What is trained, as a module whose forward pass is the loss: a denoiser on waves, an autoencoder on patches."""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from audioae.data.mixer import Mixer
from audioae.denoiser import Denoiser
from audioae.losses import terms
from audioae.models.autoencoder import Model as Autoencoder
from audioae.recipe import Recipe

LEVEL = 0.1
"""RMS that the noisy input is brought to before the losses."""
SCOUTED = 40
"""Batches by which bands are standardised before the first step."""

Losses = tuple[Tensor, dict[str, Tensor]]


class Player(nn.Module):
    """A denoiser or autoencoder with the losses of its recipe.

    Args:
        denoiser: what to train.
        rank: of this process, for draws that differ between processes.
    """

    def __init__(self, denoiser: Denoiser, rank: int) -> None:
        super().__init__()
        self.denoiser, self.recipe, self.rank = denoiser, denoiser.recipe, rank

    def begin(self, mixer: Mixer) -> None:
        """What there is to do before the first step of a training that begins with no weights from elsewhere."""

    def stage(self, step: int) -> None:
        """Choose what is trained at this step."""


class DenoisingPlayer(Player):
    """Noisy wave to clean wave."""

    def forward(self, noisy: Tensor, clean: Tensor, rate: int, step: int) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""
        scale = LEVEL / noisy.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-5)
        estimate = self.denoiser(noisy, rate)
        with torch.autocast(noisy.device.type, enabled=False):
            return terms.total(self.recipe.losses, estimate.float() * scale, clean * scale, rate)


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
        rows = range(self.recipe.data.batch_size)
        spectra: list[Tensor] = []
        for index in range(SCOUTED):
            batch = mixer.batch(index, rows)
            spectra.append(self.denoiser.transform(batch.rate)(batch.clean.to(self.denoiser.device))[:, 0])
        self.model.features.fit(torch.cat([self.model.logarithms(s, self.model.level(s)).flatten(0, 1) for s in spectra]))
        patches = [self.model.patches(s, self.model.level(s)).flatten(0, 1) for s in spectra]
        self.model.begin_with_components(torch.cat(patches))

    def stage(self, step: int) -> None:
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

    def forward(self, noisy: Tensor, clean: Tensor, rate: int, step: int) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""
        corruption = self.recipe.corruption
        # Draws depend on seed, step and process alone, so that a training that is resumed draws the same.
        torch.manual_seed(int(np.random.SeedSequence([self.recipe.seed, step, self.rank]).generate_state(1, np.uint64)[0]))
        transform = self.denoiser.transform(rate)
        target = transform(clean)[:, 0]
        heard = transform(noisy)[:, 0] if corruption.noise else target
        level = self.model.level(heard)
        wanted, given = (self.model.patches(spec, level).flatten(0, 1) for spec in (target, heard))
        if corruption.masking:
            given = given * (torch.rand_like(given) >= corruption.masking)
        if corruption.gaussian:
            given = given + corruption.gaussian * torch.randn_like(given)
        passed = self.model.autoencode(given, wanted, self.depth)._replace(step=step)
        return terms.total(self.recipe.losses, passed)


def player_for(recipe: Recipe) -> type[Player]:
    """Who trains the recipe's model."""
    return CodingPlayer if recipe.family == "codes" else DenoisingPlayer
