"""What the settings of every kind of model have in common."""

from typing import ClassVar

from audioae.config import Config, Field, field_validator
from audioae.signal.stft import HOP_SECONDS


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

    @property
    def hop_seconds(self) -> float:
        """Time from frame to frame of the spectra that the model takes, half of their window."""
        return HOP_SECONDS


class MaskConfig(ModelConfig):
    """Base of those of denoisers that lay a mask on the spectrum.

    With a longer window bins stand nearer together: what a network takes for the bands of 31.25 Hz are then narrower ones,
    at every rate alike, so that weights trained with one window make a good start with a slightly longer one.
    """

    window: float = Field(
        2 * HOP_SECONDS, ge=0.008, le=0.128, description="seconds of the transform's window; a frame begins every half of it"
    )

    @property
    def hop_seconds(self) -> float:
        """Time from frame to frame of the spectra that the model takes, half of their window."""
        return self.window / 2
