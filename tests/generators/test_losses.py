"""Adversarial losses against closed forms."""

import math

import pytest
import torch
from torch import Tensor

from audioae.generators import losses as adversarial
from audioae.generators.losses import CriticOutput

REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-0.5, 1.0])


def test_losses_are_those_of_their_papers() -> None:
    def log1p(x: float) -> float:
        return math.log1p(math.exp(x))

    assert adversarial.hinge(CriticOutput(FAKE, REAL)) == pytest.approx((0 + 0.5) / 2 + (0.5 + 2) / 2)
    assert adversarial.hinge(CriticOutput(FAKE)) == pytest.approx(-0.25)
    assert adversarial.wasserstein(CriticOutput(FAKE, REAL)) == pytest.approx(0.25 - 1.25)
    assert adversarial.wasserstein(CriticOutput(FAKE)) == pytest.approx(-0.25)
    critic = (log1p(-2) + log1p(-0.5)) / 2 + (log1p(-0.5) + log1p(1)) / 2
    assert adversarial.non_saturating(CriticOutput(FAKE, REAL)) == pytest.approx(critic)
    assert adversarial.non_saturating(CriticOutput(FAKE)) == pytest.approx((log1p(0.5) + log1p(-1)) / 2)


def test_penalties_are_of_the_critics_slope() -> None:
    slope = torch.randn(1, 1, 4, 3)

    def critic(images: Tensor) -> Tensor:
        return (images * slope).flatten(1).sum(1)

    real, fake = torch.randn(2, 5, 1, 4, 3).unbind()
    output = CriticOutput(critic(fake), critic(real), fake, real, critic)
    norm = float(slope.norm())
    assert adversarial.gradient_penalty(output) == pytest.approx((norm - 1) ** 2, rel=1e-4)
    assert adversarial.gradient_penalty(output, slope=norm) == pytest.approx(0, abs=1e-6)
    assert adversarial.real_gradient(output) == pytest.approx(norm**2, rel=1e-5)
    small = output._replace(share=0.25)
    assert adversarial.real_gradient(small) == pytest.approx(norm**2 / 4, rel=1e-5)
    for penalty in (adversarial.gradient_penalty, adversarial.real_gradient):
        assert penalty(CriticOutput(critic(fake))) == 0  # no penalty for the generator
