"""Common settings of denoisers with a mask, and limits of their size."""

from typing import Annotated, Literal, Self

from audioae.nn.settings import ModelConfig
from audioae.recipe import Recipe, without_autoencoders_sections
from audioae.settings.config import Field, model_validator
from audioae.signal.bands import BY_BINS, BandLayout
from audioae.signal.framing import HOP_SECONDS

MOST_BLOCKS = 64
"""Largest number of blocks or levels of a network."""
MOST_FRAMES = 4096
"""Largest receptive field in frames, about a minute."""
MOST_HELD = 2**25
"""Largest number of values in the state of one stream, 128 MiB."""
Dilation = Annotated[int, Field(ge=1, le=1024)]


def check_size(receptive_field: int, width: int) -> None:
    """Reject settings of a network whose state would be too large, before anything is built.

    Args:
        receptive_field: receptive field in frames.
        width: number of values per frame in the state.

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
    """Base of settings of denoisers with a spectral mask.

    Longer windows have more single bins below the first ERB band. The bands above are equal for all windows.
    """

    window: float = Field(2 * HOP_SECONDS, ge=0.008, le=0.128, description="window of the STFT in seconds")
    hop: float | None = Field(
        None, ge=0.004, description="hop of the STFT in seconds; half of the window by default, less for more overlap"
    )
    bands: Literal["hz", "bins"] = Field(
        "hz", description="bands by frequency; `bins`: counted in bins, as in model files of format 1"
    )
    level_window: int = Field(192, ge=1, le=2000, description="frames over which the input level is averaged")
    offset_window: int = Field(
        64, ge=0, le=2000, description="frames over which a constant offset (DC) is averaged for removal; 0 to keep it"
    )

    @property
    def layout(self) -> BandLayout:
        """Bands of the features and the mask."""
        return BY_BINS if self.bands == "bins" else BandLayout(1 / self.window)

    @property
    def history(self) -> int:
        """Frames that the features of one frame depend on, itself included."""
        return self.level_window + max(0, self.offset_window - 1)

    def of_format_1(self) -> Self:
        """Bands in bins, and no removal of offsets."""
        return self.model_copy(update={"bands": "bins", "offset_window": 0})

    @model_validator(mode="after")
    def _frames_overlap(self) -> "MaskConfig":
        if self.hop is not None and not self.window / 8 - 1e-9 <= self.hop <= self.window / 2 + 1e-9:
            raise ValueError(f"hop of {self.hop} s: give an eighth to a half of the window of {self.window} s")
        return self

    @property
    def hop_seconds(self) -> float:
        """Hop of the STFT in seconds."""
        return self.window / 2 if self.hop is None else self.hop

    @property
    def window_seconds(self) -> float:
        """Window of the STFT in seconds."""
        return self.window


def problems(recipe: Recipe) -> tuple[list[str], list[str]]:
    """Sections of a recipe that do not apply to denoisers, and other reasons to reject it."""
    return without_autoencoders_sections(recipe) + (["valid.clean"] if recipe.valid.clean else []), []
