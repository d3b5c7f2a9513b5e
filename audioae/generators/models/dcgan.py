"""The convolutional adversarial network (Radford et al. 2016), with resized images in place of transposed convolutions."""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from audioae.generators.network import SLOPE, Discriminator, GeneratorNetwork, HalvingConfig, Up, Width, bounded
from audioae.settings.config import Field


class Config(HalvingConfig):
    """Settings of the ``model`` section for ``kind: dcgan``."""

    widths: tuple[Width, ...] = Field(
        (96, 64, 32, 16), min_length=2, max_length=10, description="channels of the generator, smallest image first"
    )
    critic_widths: tuple[Width, ...] = Field(
        (16, 32, 64, 96), min_length=1, max_length=6, description="channels of the critic"
    )

    @property
    def doublings(self) -> int:
        """Number of doublings in the generator or the critic, whichever is larger."""
        return max(len(self.widths), len(self.critic_widths))


class Model(GeneratorNetwork):
    """Random numbers ``(B, size)``, and labels ``(B,)`` where there are classes, to images ``(B, 1, K, P)``."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.size += self.groups is not None
        count, widths = config.parts, config.widths
        scale = 2 ** len(widths)
        self.shape = (widths[0], config.rows // scale, config.frames // scale)
        self.of_class = nn.Embedding(count, config.latent) if count else None
        self.begin = nn.Linear(config.latent * (2 if count else 1), self.shape[0] * self.shape[1] * self.shape[2])
        self.norm = nn.BatchNorm2d(widths[0])
        self.ups = nn.ModuleList(
            Up(a, b, count) for a, b in zip(widths, (*widths[1:], max(8, widths[-1] // 2)), strict=True)
        )
        self.draw_last = nn.Conv2d(max(8, widths[-1] // 2), 1, 5, padding=2)

    def forward(self, numbers: Tensor, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        numbers, labels = self.split_labels(numbers, labels)
        if self.of_class is not None:
            numbers = torch.cat([numbers, self.of_class(labels)], 1)
        x = leaky_relu(self.norm(self.begin(numbers).view(-1, *self.shape)), SLOPE)
        for up in self.ups:
            x = up(x, labels)
        image: Tensor = bounded(self.draw_last(x))
        return image


class Critic(nn.Module):
    """Images ``(B, 1, K, P)``, and labels ``(B,)`` where there are classes or groups, to scores ``(B,)``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.judge = Discriminator(1, config.rows, config.frames, config.critic_widths, config.spectral_norm, config.parts)

    def forward(self, images: Tensor, labels: Tensor | None = None, level: int = 0) -> Tensor:
        """See the class."""
        score: Tensor = self.judge(images, labels)
        return score
