"""Base of the settings of every model kind."""

from typing import Self

from audioae.settings.config import Config, field_validator
from audioae.signal.framing import HOP_SECONDS, hops_of

MOST_UNITS = 2**22
"""Largest output of one layer for one image or patch."""
MOST_CLASSES = 4096


class ModelConfig(Config):
    """Base of each kind's ``Config``."""

    @property
    def family(self) -> str:
        """Name of the folder of the family that this kind belongs to, such as ``denoisers``."""
        return type(self).__module__.split(".")[1]

    @property
    def purpose(self) -> str:
        """Name of the list of models that this kind belongs to: mostly its family's."""
        return self.family

    @field_validator("classes", mode="after", check_fields=False)  # for kinds with classes
    @classmethod
    def _different(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("holds a name twice")
        if len(names) > MOST_CLASSES:
            raise ValueError(f"holds {len(names)} names: give {MOST_CLASSES} at most")
        return names

    def of_format_1(self) -> Self:
        """These settings with the meaning of model files of format 1: later features are off."""
        return self

    @property
    def delay(self) -> int:
        """Look-ahead in frames, by which the output lags."""
        return 0

    @property
    def hop_seconds(self) -> float:
        """Hop of the STFT in seconds."""
        return HOP_SECONDS

    @property
    def window_seconds(self) -> float:
        """Window of the STFT in seconds."""
        return 2 * HOP_SECONDS

    @property
    def hops(self) -> int:
        """Window length in hops."""
        return hops_of(self.hop_seconds, self.window_seconds)

    @property
    def latency(self) -> float:
        """Latency of a stream in seconds: STFT overlap and look-ahead."""
        return (self.hops + self.delay) * self.hop_seconds
