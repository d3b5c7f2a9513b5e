"""What the settings of every kind of model have in common."""

from typing import Annotated, ClassVar, Literal, Self

from audioae.config import Config, Field, field_validator, model_validator
from audioae.signal.bands import BY_BINS, BandLayout
from audioae.signal.stft import HOP_SECONDS, hops_of

MOST_BLOCKS = 64
"""Blocks or levels that a network may have."""
MOST_FRAMES = 4096
"""Largest receptive field in frames, about a minute."""
MOST_HELD = 2**25
"""Most numbers that the state of one stream may hold, 128 MiB."""
MOST_UNITS = 2**22
"""Largest output of one layer for one image or patch."""
MOST_CLASSES = 4096
Dilation = Annotated[int, Field(ge=1, le=1024)]


def check_size(receptive_field: int, width: int) -> None:
    """Refuse settings of a network whose state would take absurd memory, before anything is built.

    Args:
        receptive_field: in frames.
        width: numbers that are kept of each of them.

    Raises:
        ValueError: too large.
    """
    if receptive_field > MOST_FRAMES:
        raise ValueError(
            f"the receptive field is {receptive_field} frames: give fewer or smaller `dilations`, for {MOST_FRAMES}"
        )
    if receptive_field * width > MOST_HELD:
        raise ValueError(
            f"a stream would hold {receptive_field} frames of {width} numbers: give fewer `channels` or smaller `dilations`"
        )


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


class MaskConfig(ModelConfig):
    """Base of those of denoisers that lay a mask on the spectrum.

    With a longer window bins stand nearer together, so that there are more single bins below the first ERB band. The bands
    above are the same for every window.
    """

    window: float = Field(2 * HOP_SECONDS, ge=0.008, le=0.128, description="seconds of the transform's window")
    hop: float | None = Field(
        None, ge=0.004, description="seconds from frame to frame: half of the window, or less for frames that overlap more"
    )
    bands: Literal["hz", "bins"] = Field(
        "hz", description="bands by frequency; `bins`: counted in bins, as in model files of format 1"
    )
    level_window: int = Field(192, ge=1, le=2000, description="frames that the input level is averaged over")
    offset_window: int = Field(
        64, ge=0, le=2000, description="frames that a constant offset (DC) is averaged over and taken away; 0 leaves it"
    )

    @property
    def layout(self) -> BandLayout:
        """The bands that the network reads and masks."""
        return BY_BINS if self.bands == "bins" else BandLayout(1 / self.window)

    @property
    def history(self) -> int:
        """Frames that the features of one frame depend on, itself included."""
        return self.level_window + max(0, self.offset_window - 1)

    def of_format_1(self) -> Self:
        """Bands were counted in bins, and an offset was not taken away."""
        return self.model_copy(update={"bands": "bins", "offset_window": 0})

    @model_validator(mode="after")
    def _frames_overlap(self) -> "MaskConfig":
        if self.hop is not None and not self.window / 8 - 1e-9 <= self.hop <= self.window / 2 + 1e-9:
            raise ValueError(f"hop of {self.hop} s: give an eighth to a half of the window of {self.window} s")
        return self

    @property
    def hop_seconds(self) -> float:
        """Time from frame to frame of the spectra that the model takes."""
        return self.window / 2 if self.hop is None else self.hop

    @property
    def window_seconds(self) -> float:
        """Length of the frames that those spectra are of."""
        return self.window
