"""The first adversarial network (Goodfellow et al. 2014): perceptrons that generate and classify whole images."""

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from audioae.generators.network import BEYOND, SLOPE, GeneratorConfig, GeneratorNetwork, Width, begin, bounded
from audioae.settings.config import Field

HIDDEN_MEAN = (1 - SLOPE) / math.sqrt(2 * math.pi)
HIDDEN_DEVIATION = math.sqrt((1 + SLOPE**2) / 2 - HIDDEN_MEAN**2)
"""Mean and standard deviation of normal numbers after the leaky rectifier."""


class Config(GeneratorConfig):
    """Settings of the ``model`` section for ``kind: vanilla_gan``."""

    widths: tuple[Width, ...] = Field((128, 192), min_length=1, max_length=16, description="units of the generator's layers")
    critic_widths: tuple[Width, ...] = Field(
        (256, 128), min_length=1, max_length=16, description="units of the critic's layers"
    )


class Model(GeneratorNetwork):
    """Random numbers ``(B, size)`` to images ``(B, 1, K, P)``."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.size += self.groups is not None
        self.of_class = nn.Embedding(config.parts, config.latent) if config.parts else None
        sizes = (config.latent * (2 if config.parts else 1), *config.widths)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in config.widths)
        self.draw_last = nn.Linear(sizes[-1], config.rows * config.frames)

    @torch.no_grad()
    def begin_with(self, images: Tensor, seed: int) -> None:
        """Initialise the last layer, too, by the images' principal components, scaled by their standard deviations.

        Perceptrons have no notion of neighbouring pixels, which they would have to learn from random weights.
        """
        super().begin_with(images, seed)
        flat = (images.flatten(1) / BEYOND).atanh()
        mean = flat.mean(0)
        values, mixtures = torch.linalg.eigh((flat - mean) @ (flat - mean).T / len(flat))  # the smallest first
        count = min(self.draw_last.in_features, len(values))
        components = (flat - mean).T @ mixtures[:, -count:] / len(flat) ** 0.5  # scaled by the standard deviation
        self.draw_last.weight.zero_()
        self.draw_last.weight[:, :count] = components / HIDDEN_DEVIATION
        self.draw_last.bias.copy_(mean - self.draw_last.weight.sum(1) * HIDDEN_MEAN)

    def forward(self, numbers: Tensor, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        x, labels = self.split_labels(numbers, labels)
        if self.of_class is not None:
            x = torch.cat([x, self.of_class(labels)], 1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = leaky_relu(norm(layer(x)), SLOPE)
        image: Tensor = bounded(self.draw_last(x))
        return image.view(-1, 1, self.config.rows, self.config.frames)


class Critic(nn.Module):
    """Images ``(B, 1, K, P)`` to scores ``(B,)``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        hold = spectral_norm if config.spectral_norm else nn.Identity()
        sizes = (config.rows * config.frames, *config.critic_widths)
        self.layers = nn.ModuleList(hold(nn.Linear(a, b)) for a, b in itertools.pairwise(sizes))
        self.score = hold(nn.Linear(sizes[-1], 1))
        self.of_class = hold(nn.Embedding(config.parts, sizes[-1])) if config.parts else None
        if not config.spectral_norm:
            self.apply(begin)

    def forward(self, images: Tensor, labels: Tensor | None = None, level: int = 0) -> Tensor:
        """See the class."""
        x = images.flatten(1)
        for layer in self.layers:
            x = leaky_relu(layer(x), SLOPE)
        score: Tensor = self.score(x)[:, 0]
        if self.of_class is not None:
            score = score + (self.of_class(labels) * x).sum(1)
        return score
