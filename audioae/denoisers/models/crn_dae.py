"""The convolutional-recurrent denoising autoencoder: the 2-D convolutional one with recurrent units.

Gated recurrent units are added between the residual blocks of :mod:`audioae.denoisers.models.conv_dae`: one that runs at
every position with shared weights (as the time modules of TF-GridNet, Wang et al. 2023) and one over the full band (as in
NSNet2, Braun & Tashev 2020). They contribute nothing before training and all other layers keep their names, so training can
start from the weights of a ``conv_dae`` of the same size. The receptive field is unbounded.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from torch import nn

from audioae.denoisers.layers.positions import positions
from audioae.denoisers.layers.recurrent import FullBandMemory, PositionMemory
from audioae.denoisers.models import conv_dae
from audioae.denoisers.settings import MOST_BLOCKS
from audioae.settings.config import Field, model_validator


class Config(conv_dae.Config):
    """Settings of the ``model`` section for ``kind: crn_dae``: all of ``conv_dae``, and the recurrent units."""

    memory_after: tuple[Annotated[int, Field(ge=1, le=MOST_BLOCKS)], ...] = Field(
        (6, 10), min_length=1, max_length=MOST_BLOCKS, description="blocks after which recurrent units are inserted"
    )
    hidden: int = Field(64, ge=4, le=1024, description="size of the state at each position")
    full_band_hidden: int = Field(192, ge=4, le=2048, description="size of the state of the full-band unit")
    squeeze: int = Field(16, ge=1, le=256, description="channels per position at the full-band unit")

    @model_validator(mode="after")
    def _after_blocks(self) -> "Config":
        blocks, after = len(self.dilations), self.memory_after
        if len(set(after)) < len(after) or not all(1 <= number <= blocks for number in after):
            raise ValueError(f"`memory_after` holds numbers from 1 to {blocks}, the number of blocks, each once")
        return self


class Model(conv_dae.Model):
    """Noisy spectrum to clean spectrum.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        channels, places = config.channels, positions(self.layout.total, config.stride)
        self.receptive_field = None
        """Unbounded, because of the recurrent units."""
        self.by_position = nn.ModuleDict({str(n): PositionMemory(channels, config.hidden) for n in config.memory_after})
        self.full_band = nn.ModuleDict(
            {str(n): FullBandMemory(channels, places, config.squeeze, config.full_band_hidden) for n in config.memory_after}
        )

    def layers(self) -> Iterator[tuple[str, Any]]:
        """The blocks, and after some of them the recurrent units."""
        for number, (name, block) in enumerate(super().layers(), 1):
            yield name, block
            if str(number) in self.by_position:
                yield f"by_position.{number}", self.by_position[str(number)]
                yield f"full_band.{number}", self.full_band[str(number)]
