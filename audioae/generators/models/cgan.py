"""The conditional adversarial network (Mirza & Osindero 2014): the convolutional one, conditioned on classes.

The generator is conditioned by its normalisation layers, the critic by projection.
"""

from typing import Annotated

from audioae.generators.models import dcgan
from audioae.settings.config import Field


class Config(dcgan.Config):
    """Settings of the ``model`` section for ``kind: cgan``."""

    classes: Annotated[
        tuple[str, ...], Field(min_length=2, description="names of the classes, as in the names of files")
    ] = tuple("0123456789")


class Model(dcgan.Model):
    """Random numbers ``(B, Z)`` and labels ``(B,)`` to images ``(B, 1, K, P)``."""


class Critic(dcgan.Critic):
    """Images ``(B, 1, K, P)`` and labels ``(B,)`` to scores ``(B,)``."""
