"""What the settings of every kind of model have in common."""

from typing import Self

from audioae.settings.config import Config, field_validator
from audioae.signal.stft import HOP_SECONDS, hops_of

MOST_UNITS = 2**22
"""Largest output of one layer for one image or patch."""
MOST_CLASSES = 4096


class ModelConfig(Config):
    """Base of each kind's ``Config``."""

    @property
    def family(self) -> str:
        """Name of the folder of the family that this kind belongs to, such as ``denoisers``."""
        return type(self).__module__.split(".")[1]

    @field_validator("classes", mode="after", check_fields=False)  # of the kinds that have some
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("holds a name twice")
        if len(names) > MOST_CLASSES:
            raise ValueError(f"holds {len(names)} names: give {MOST_CLASSES} at most")
        return names

    def of_format_1(self) -> Self:
        """The settings that a model file of format 1 with these stands for: what came later is off."""
        return self

    @property
    def delay(self) -> int:
        """Frames that what comes out of the model is late by, which is how far it looks ahead."""
        return 0

    @property
    def hop_seconds(self) -> float:
        """Time from frame to frame of the spectra that the model takes."""
        return HOP_SECONDS

    @property
    def window_seconds(self) -> float:
        """Length of the frames that those spectra are of."""
        return 2 * HOP_SECONDS

    @property
    def hops(self) -> int:
        """Hops that a window consists of."""
        return hops_of(self.hop_seconds, self.window_seconds)

    @property
    def latency(self) -> float:
        """Seconds from the moment that sound is fed to a stream until it is back at the latest."""
        return (self.hops + self.delay) * self.hop_seconds
