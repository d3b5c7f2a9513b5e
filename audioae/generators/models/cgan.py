"""The conditional adversarial network (Mirza & Osindero 2014): the convolutional one, told the class of what it is to draw.

The generator hears the class in every normalisation, the critic by projection.
"""

from typing import Annotated

from audioae.generators.models import dcgan
from audioae.settings.config import Field


class Config(dcgan.Config):
    """Settings of the ``model`` section for ``kind: cgan``."""

    classes: Annotated[tuple[str, ...], Field(min_length=2, description="their names, as in the files' names")] = tuple(
        "0123456789"
    )


class Model(dcgan.Model):
    """Random numbers ``(B, Z)`` and labels ``(B,)`` to images ``(B, 1, K, P)``."""


class Critic(dcgan.Critic):
    """Images ``(B, 1, K, P)`` and labels ``(B,)`` to scores ``(B,)``."""
