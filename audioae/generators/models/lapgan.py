"""The Laplacian pyramid of adversarial networks (Denton et al. 2015): a small image, then the detail of each doubling.

The input of each level is the enlarged image of the level below and an image of noise; the output is the difference. The
input of its critic is the enlarged image with the real or the generated one. In training, the level below is a real image;
all levels are trained together.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu

from audioae.generators.network import SLOPE, Discriminator, GeneratorNetwork, HalvingConfig, ImagePair, Up, Width, bounded
from audioae.settings.config import Field

WIDEST = 4
"""Largest factor by which critics of small images are wider than that of the largest images."""


class Config(HalvingConfig):
    """Settings of the ``model`` section for ``kind: lapgan``."""

    widths: tuple[Width, ...] = Field(
        (48, 32, 16, 12), min_length=2, max_length=6, description="channels of each level, the smallest image first"
    )
    critic_widths: tuple[Width, ...] = Field(
        (16, 32),
        min_length=1,
        max_length=3,
        description=f"channels of the largest level's critic; critics of smaller levels are up to {WIDEST} times as wide",
    )

    detail: float = Field(
        1.0,
        ge=0,
        le=1,
        description="standard deviation of the largest level's noise when sounds are generated; 1 in training",
    )

    @property
    def doublings(self) -> int:
        """Number of doublings from a quarter of the smallest image to the largest."""
        return len(self.widths) + 1


def expand(image: Tensor) -> Tensor:
    """An image of twice the size, smooth between its points."""
    return interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)


class Model(GeneratorNetwork):
    """Random numbers ``(B, size)`` to images ``(B, 1, K, P)``."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.detail = config.detail
        self.shapes = [(config.rows >> n, config.frames >> n) for n in reversed(range(len(config.widths)))]
        self.sizes = [config.latent, *(rows * columns for rows, columns in self.shapes[1:])]
        self.size = sum(self.sizes) + (self.groups is not None)
        self.levels = nn.ModuleList([_Smallest(config.latent, self.shapes[0], config.widths[0], config.parts)])
        self.levels.extend(_Added(width) for width in config.widths[1:])

    def forward(self, numbers: Tensor, labels: Tensor | None = None, levels: int | None = None) -> Tensor:
        """See the class; with ``levels``, the output of the first levels in their own size."""
        numbers, labels = self.split_labels(numbers, labels)
        parts = numbers.split(self.sizes, dim=1)
        image: Tensor = self.levels[0](parts[0], labels)
        for level, noise, shape in list(zip(self.levels, parts, self.shapes, strict=True))[1:levels]:
            share = self.detail if shape == self.shapes[-1] else 1.0
            image = level(expand(image), share * noise.view(-1, 1, *shape))
        return image

    def image_pairs(self, real: Tensor, numbers: Tensor, labels: Tensor | None) -> list[ImagePair]:
        """One pair of images for each level, with real images as the level below."""
        numbers, labels = self.split_labels(numbers, labels)
        parts = numbers.split(self.sizes, dim=1)
        pyramid = [real]
        for _ in self.shapes[1:]:
            pyramid.insert(0, avg_pool2d(pyramid[0], 2))
        pairs = [ImagePair(pyramid[0], self.levels[0](parts[0], labels))]
        for n in range(1, len(self.levels)):
            below = expand(pyramid[n - 1])
            drawn = self.levels[n](below, parts[n].view(-1, 1, *self.shapes[n]))
            # The enlarged image and the scaled difference, because the difference is small.
            real_pair, fake_pair = (torch.cat([below, 4 * (each - below)], 1) for each in (pyramid[n], drawn))
            pairs.append(ImagePair(real_pair, fake_pair, n))
        return pairs


class _Smallest(nn.Module):
    def __init__(self, latent: int, shape: tuple[int, int], width: int, classes: int) -> None:
        super().__init__()
        self.shape = (2 * width, shape[0] // 4, shape[1] // 4)
        self.of_class = nn.Embedding(classes, latent) if classes else None
        self.begin = nn.Linear(latent * (2 if classes else 1), 2 * width * self.shape[1] * self.shape[2])
        self.norm = nn.BatchNorm2d(2 * width)
        self.ups = nn.ModuleList([Up(2 * width, 2 * width, classes), Up(2 * width, width, classes)])
        self.draw_last = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, numbers: Tensor, labels: Tensor | None) -> Tensor:
        if self.of_class is not None:
            numbers = torch.cat([numbers, self.of_class(labels)], 1)
        x = leaky_relu(self.norm(self.begin(numbers).view(-1, *self.shape)), SLOPE)
        for up in self.ups:
            x = up(x, labels)
        image: Tensor = bounded(self.draw_last(x))
        return image


class _Added(nn.Module):
    """The image of a level, from the enlarged one below and noise, each ``(B, 1, H, W)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, width, kernel, padding=kernel // 2) for a, kernel in ((2, 5), (width, 3), (width, 3))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in self.convolutions)
        self.draw_last = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.normal_(self.draw_last.weight, std=0.01)

    def forward(self, below: Tensor, noise: Tensor) -> Tensor:
        x = torch.cat([below, noise], 1)
        for convolve, norm in zip(self.convolutions, self.norms, strict=True):
            x = leaky_relu(norm(convolve(x)), SLOPE)
        image: Tensor = (below + self.draw_last(x)).clamp(-1, 1)
        return image


class Critic(nn.Module):
    """Images of each level to scores ``(B,)``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.judges = nn.ModuleList()
        for n in reversed(range(len(config.widths))):
            widths = tuple(width * min(WIDEST, 2**n) for width in config.critic_widths)
            channels = 1 if n == len(config.widths) - 1 else 2
            size = config.rows >> n, config.frames >> n
            self.judges.append(Discriminator(channels, *size, widths, config.spectral_norm, config.parts))

    def forward(self, images: Tensor, labels: Tensor | None = None, level: int = 0) -> Tensor:
        """See the class."""
        score: Tensor = self.judges[level](images, labels)
        return score
