"""What the settings of every kind of model have in common."""

from typing import ClassVar

from audioae.config import Config


class ModelConfig(Config):
    """Base of each kind's ``Config``."""

    family: ClassVar[str] = "waves"
    """What the kind is about: ``waves``, ``codes`` for autoencoders of patches, or ``labels`` for classifiers."""

    @property
    def delay(self) -> int:
        """Frames that what comes out of the model is late by, which is how far it looks ahead."""
        return 0
