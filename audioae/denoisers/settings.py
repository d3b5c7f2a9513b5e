"""Settings that denoisers with a mask have in common, and bounds on their size."""

from typing import Annotated, Literal, Self

from audioae.nn.settings import ModelConfig
from audioae.recipe import Recipe, without_autoencoders_sections
from audioae.settings.config import Field, model_validator
from audioae.signal.bands import BY_BINS, BandLayout
from audioae.signal.stft import HOP_SECONDS

MOST_BLOCKS = 64
"""Blocks or levels that a network may have."""
MOST_FRAMES = 4096
"""Largest receptive field in frames, about a minute."""
MOST_HELD = 2**25
"""Most numbers that the state of one stream may hold, 128 MiB."""
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


def problems(recipe: Recipe) -> tuple[list[str], list[str]]:
    """Sections of a recipe that denoisers do not have, and other reasons to reject it."""
    return without_autoencoders_sections(recipe) + (["valid.clean"] if recipe.valid.clean else []), []
