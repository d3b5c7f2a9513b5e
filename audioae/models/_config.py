"""What the settings of every kind of model have in common."""

from typing import ClassVar

from audioae.config import Config, field_validator


class ModelConfig(Config):
    """Base of each kind's ``Config``."""

    family: ClassVar[str] = "waves"
    """What the kind is about: ``waves``, ``codes`` for autoencoders of patches, ``labels`` for classifiers, or ``sounds``
    for generators."""

    @field_validator("classes", mode="after", check_fields=False)  # of the kinds that have some
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("holds a name twice")
        return names

    @property
    def delay(self) -> int:
        """Frames that what comes out of the model is late by, which is how far it looks ahead."""
        return 0
