"""Losses of generators and their critics: from one :class:`CriticOutput` to a scalar.

Each loss is for critic and generator: with real images it is the critic's, without them the generator's. Penalties apply to
the critic only.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from audioae.settings.config import Field

Slope = Annotated[float, Field(ge=0)]
PENALTIES = frozenset({"gradient_penalty", "real_gradient"})
"""Losses of the critic that need another loss beside them."""


class CriticOutput(NamedTuple):
    """Scores of a critic, with the images that they are for.

    Attributes:
        fake: scores of generated images ``(B,)``.
        real: scores of real images ``(B,)``; None if the generator is trained.
        fake_images: ``(B, C, H, W)``.
        real_images: ``(B, C, H, W)``.
        critic: images to scores.
        share: number of pixels, relative to the largest images.
    """

    fake: Tensor
    real: Tensor | None = None
    fake_images: Tensor | None = None
    real_images: Tensor | None = None
    critic: Callable[[Tensor], Tensor] | None = None
    share: float = 1.0


def non_saturating(output: CriticOutput) -> Tensor:
    """Logistic losses; that of the generator is non-saturating (Goodfellow et al. 2014)."""
    if output.real is None:
        return softplus(-output.fake).mean()
    return softplus(-output.real).mean() + softplus(output.fake).mean()


def hinge(output: CriticOutput) -> Tensor:
    """Hinge losses (Lim & Ye, "Geometric GAN", 2017)."""
    if output.real is None:
        return -output.fake.mean()
    return (1 - output.real).relu().mean() + (1 + output.fake).relu().mean()


def wasserstein(output: CriticOutput) -> Tensor:
    """Difference of mean scores (Arjovsky et al. 2017); the critic needs a constraint, such as :func:`gradient_penalty`."""
    if output.real is None:
        return -output.fake.mean()
    return output.fake.mean() - output.real.mean()


def gradient_penalty(output: CriticOutput, slope: Slope = 1.0) -> Tensor:
    """Squared difference of the critic's gradient norm from ``slope``, between the images (Gulrajani et al. 2017)."""
    if output.real_images is None or output.fake_images is None:
        return output.fake.new_zeros(())
    share = torch.rand(len(output.fake), 1, 1, 1, device=output.fake.device)
    between = torch.lerp(output.real_images, output.fake_images.detach(), share)
    return (_squared_gradient(output, between) + 1e-12).sqrt().sub(slope).square().mean()


def real_gradient(output: CriticOutput) -> Tensor:
    """Squared gradient of the critic at real images, called R1 (Mescheder et al. 2018).

    Small images differ less from each other than large ones, so that their critic needs a steeper gradient: the penalty
    is multiplied by their share of the pixels (Karras et al. 2020 also choose the weight by resolution).
    """
    if output.real_images is None:
        return output.fake.new_zeros(())
    return output.share * _squared_gradient(output, output.real_images).mean()


def _squared_gradient(output: CriticOutput, images: Tensor) -> Tensor:
    assert output.critic is not None, "an output with images has its critic"
    images = images.detach().requires_grad_()
    scores = output.critic(images)
    return torch.autograd.grad(scores.sum(), images, create_graph=True)[0].square().flatten(1).sum(1)
