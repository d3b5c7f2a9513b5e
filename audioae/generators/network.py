"""Base classes of generators: settings, random numbers, layers, and pairs of images for critics."""

import itertools
import math
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from audioae.generators.codec import SpectrogramImage
from audioae.generators.groups import Groups
from audioae.nn.settings import MOST_UNITS, ModelConfig
from audioae.settings.config import Field, model_validator
from audioae.signal.framing import MAX_RATE, MIN_RATE, hop_length

SLOPE = 0.2
BEYOND = 1.1
Width = Annotated[int, Field(ge=1, le=1024)]


class GeneratorConfig(ModelConfig):
    """Base of each generator's ``Config``."""

    rate: int = Field(
        8_000, ge=MIN_RATE, le=MAX_RATE, description="sample rate of the sounds in Hz; images have 0.016 * rate rows"
    )
    frames: int = Field(64, ge=16, le=1024, description="P, columns of an image, 16 ms each")
    latent: int = Field(64, ge=1, le=4096, description="Z, number of random numbers per sound")
    classes: tuple[str, ...] = Field((), description="names of the classes, for conditional generators")
    groups: int = Field(
        0,
        ge=0,
        le=1024,
        description="number of groups of similar sounds on which to condition, found by clustering; 0 for none",
    )
    spectral_norm: bool = Field(
        True, description="normalise the critic's layers to a spectral norm of 1 (Miyato et al. 2018)"
    )

    @property
    def rows(self) -> int:
        """K, rows of an image."""
        return hop_length(self.rate)

    @property
    def parts(self) -> int:
        """Number of classes or groups."""
        return len(self.classes) or self.groups

    @model_validator(mode="after")
    def _of_one_kind(self) -> "GeneratorConfig":
        if self.groups and self.classes:
            raise ValueError("`groups` take the place of `classes`: give one of them")
        _check_units(self.rows * self.frames)
        return self


class HalvingConfig(GeneratorConfig):
    """Base of settings of generators that double the image size repeatedly."""

    widths: tuple[Width, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> "HalvingConfig":
        times = 2**self.doublings
        if self.rows % times or self.frames % times:
            raise ValueError(
                f"images of {self.rows} x {self.frames} cannot be halved {self.doublings} times: change `rate` or `frames`"
            )
        sizes = ((self.rows >> n) * (self.frames >> n) for n in range(len(self.widths)))
        _check_units(max(width * size for width, size in zip(reversed(self.widths), sizes, strict=True)))
        return self

    @property
    def doublings(self) -> int:
        """Number of doublings from the smallest image to full size."""
        raise NotImplementedError


def _check_units(units: int) -> None:
    if units > MOST_UNITS:
        raise ValueError(f"a layer of {units} numbers for an image is too large: give smaller `widths`, `rate` or `frames`")


class ImagePair(NamedTuple):
    """Real and generated images of one size, for the critic.

    Attributes:
        real: ``(B, C, H, W)``.
        fake: ``(B, C, H, W)``.
        level: index of the critic for images of this size.
    """

    real: Tensor
    fake: Tensor
    level: int = 0


class GeneratorNetwork(nn.Module):
    """Base of each kind's ``Model``: random numbers to images.

    Args:
        config: see :class:`GeneratorConfig`.

    Attributes:
        image: the codec.
        size: number of random numbers per sound.
        groups: groups of similar images, for generators conditioned on them; the last random number selects the group.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.image = SpectrogramImage(config.rate, config.frames)
        self.size = config.latent
        self.groups = Groups(config.groups) if config.groups else None
        self.delay = config.delay

    def draw(self, count: int, generator: torch.Generator | None = None, truncation: float = math.inf) -> Tensor:
        """Random numbers ``(count, size)``, of magnitudes up to ``truncation`` (Brock et al. 2019).

        The number that selects a group is not truncated.
        """
        numbers = torch.randn(count, self.size, generator=generator)
        if math.isinf(truncation):
            return numbers
        within = math.erf(truncation / math.sqrt(2))
        uniform = torch.rand(count, self.size, generator=generator, dtype=torch.float64)
        held = math.sqrt(2) * torch.erfinv((2 * uniform - 1) * within).float()
        return held if self.groups is None else torch.cat([held[:, :-1], numbers[:, -1:]], 1)

    def split_labels(self, numbers: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The numbers without the one that selects a group, and the labels: given ones, or selected groups."""
        if self.groups is None:
            return numbers, labels
        return numbers[:, :-1], self.groups.drawn(numbers[:, -1]) if labels is None else labels

    def begin_with(self, images: Tensor, seed: int) -> None:
        """Initialise from training images ``(M, 1, K, P)`` before the first step."""
        if self.groups is not None:
            self.groups.fit(images, seed)

    def image_pairs(self, real: Tensor, numbers: Tensor, labels: Tensor | None) -> list[ImagePair]:
        """Pairs of real and generated images for the critic, from real images ``(B, 1, K, P)`` and the numbers of
        :meth:`draw`."""
        return [ImagePair(real, self(numbers, labels))]


def bounded(x: Tensor) -> Tensor:
    """Bound numbers to [-1, 1], including both ends, so that silence can be exact."""
    return (BEYOND * x.tanh()).clamp(-1, 1)


class Up(nn.Module):
    """Double the size of an image: resize, then convolve, which avoids checkerboard artefacts (Odena et al. 2016).

    Args:
        outer: input channels.
        inner: output channels.
        classes: number of classes, each with its own scale and shift (Dumoulin et al. 2017); 0 for none.
    """

    def __init__(self, outer: int, inner: int, classes: int = 0) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(outer, inner, 3, padding=1)
        self.norm = nn.BatchNorm2d(inner)
        self.of_class = nn.Embedding(classes, 2 * inner) if classes else None
        if self.of_class is not None:
            nn.init.zeros_(self.of_class.weight)

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """``(B, outer, H, W)`` and labels ``(B,)`` to ``(B, inner, 2 * H, 2 * W)``."""
        x = self.norm(self.convolve(interpolate(x, scale_factor=2, mode="nearest")))
        if self.of_class is not None:
            assert labels is not None, "conditional generators need labels"
            scale, shift = self.of_class(labels)[:, :, None, None].chunk(2, dim=1)
            x = x * (1 + scale) + shift
        return leaky_relu(x, SLOPE)


class Discriminator(nn.Module):
    """Images ``(B, C, H, W)`` to scores ``(B,)``: strided convolutions and a minibatch statistic.

    The standard deviation over the batch, as one more channel, shows a lack of diversity (Karras et al. 2018). For classes,
    a projection onto the class is added to the score (Miyato & Koyama, "cGANs with projection
    discriminator", 2018).

    Args:
        channels: C.
        height: H.
        width: W.
        widths: channels after each convolution.
        normed: normalise layers to a spectral norm of 1.
        classes: number of classes.
    """

    def __init__(
        self, channels: int, height: int, width: int, widths: tuple[int, ...], normed: bool, classes: int = 0
    ) -> None:
        super().__init__()
        hold = spectral_norm if normed else nn.Identity()
        counts = (channels, *widths)
        self.convolutions = nn.ModuleList(
            hold(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in itertools.pairwise(counts)
        )
        self.last = hold(nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1))
        scale = 2 ** len(widths)
        self.score = hold(nn.Linear(widths[-1] * (height // scale) * (width // scale), 1))
        self.of_class = hold(nn.Embedding(classes, widths[-1])) if classes else None
        if not normed:
            self.apply(begin)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """See the class."""
        x = images
        for convolution in self.convolutions:
            x = leaky_relu(convolution(x), SLOPE)
        varied = (x.var(0, unbiased=False) + 1e-8).sqrt().mean().expand(len(x), 1, *x.shape[2:])
        x = leaky_relu(self.last(torch.cat([x, varied], 1)), SLOPE)
        score: Tensor = self.score(x.flatten(1))[:, 0]
        if self.of_class is not None:
            score = score + (self.of_class(labels) * x.sum((2, 3))).sum(1)
        return score


def begin(layer: nn.Module) -> None:
    """Initialise weights of a critic so that its scores differ from the start (He et al. 2015).

    With torch's smaller default weights, a critic of small images has little to learn from once the generator matches the
    mean, which takes few steps.
    """
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, a=SLOPE)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
