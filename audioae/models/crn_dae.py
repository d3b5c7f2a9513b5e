"""The convolutional-recurrent denoising autoencoder: the 2-D convolutional one with a memory.

Between the residual blocks of :mod:`audioae.models.conv_dae` stand gated recurrent units, one that runs at every position
with the same weights (as the time modules of TF-GridNet, Wang et al. 2023, do) and one that hears the full band (as in
NSNet2, Braun & Tashev 2020). They add nothing before training and the rest goes by the same names, so this model can
begin with the weights of a ``conv_dae`` of the same sizes. Its receptive field is all that came before.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from audioae.config import Config as BaseConfig
from audioae.config import Field, model_validator
from audioae.nn.positions import PositionDecoder, PositionEncoder, positions
from audioae.nn.recurrent import FullBandMemory, PositionMemory
from audioae.nn.residual import ResidualBlock
from audioae.nn.spectral import BandFeatures, bounded_mask, link
from audioae.signal import bands

State = dict[str, Tensor]


class Config(BaseConfig):
    """What a recipe's ``model`` section may set for ``kind: crn_dae``."""

    channels: int = Field(96, ge=4, le=1024, description="C, channels at every position")
    stride: int = Field(8, ge=2, le=32, description="bands from one position to the next; the kernel is twice as wide")
    dilations: tuple[int, ...] = Field(
        (1, 2, 4, 8, 16, 32, 1, 2, 4, 8), min_length=1, description="one residual block for each, in frames"
    )
    kernel: int = Field(3, ge=2, le=9, description="taps in time of each block")
    memory_after: tuple[int, ...] = Field((6, 10), min_length=1, description="blocks after which the recurrent units stand")
    hidden: int = Field(64, ge=4, le=1024, description="state of the unit at each position")
    full_band_hidden: int = Field(192, ge=4, le=2048, description="state of the unit that hears the full band")
    squeeze: int = Field(16, ge=1, le=256, description="numbers by which each position speaks to that unit")
    power: float = Field(0.3, gt=0, le=1, description="exponent that compresses magnitudes")
    level_window: int = Field(192, ge=1, le=2000, description="frames that the input level is averaged over")
    bound: float = Field(2.0, gt=1, le=10, description="largest magnitude of the mask")

    @model_validator(mode="after")
    def _after_blocks(self) -> "Config":
        if len(set(self.memory_after)) < len(self.memory_after) or not all(
            1 <= n <= len(self.dilations) for n in self.memory_after
        ):
            raise ValueError(
                f"`memory_after` holds numbers from 1 to {len(self.dilations)}, the number of blocks, each once"
            )
        return self


class Model(nn.Module):
    """Noisy spectrum to clean spectrum.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.stride, self.bound = config.stride, config.bound
        channels, places = config.channels, positions(bands.total(), config.stride)
        self.features = BandFeatures(config.power, config.level_window)
        self.encoder = PositionEncoder(channels, config.stride)
        self.blocks = nn.ModuleList(ResidualBlock(channels, config.kernel, d, places) for d in config.dilations)
        self.decoder = PositionDecoder(2 * channels, config.stride, config.bound)
        self.receptive_field = None
        """Frames that one output frame depends on: all before it."""
        self.by_position = nn.ModuleDict({str(n): PositionMemory(channels, config.hidden) for n in config.memory_after})
        self.full_band = nn.ModuleDict(
            {str(n): FullBandMemory(channels, places, config.squeeze, config.full_band_hidden) for n in config.memory_after}
        )

    def initial_state(self, batch: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, C, bins, T)``: a flat dict of zeros."""
        place = self.encoder.place
        like = place.new_zeros(batch, 1, positions(bands.count(bins), self.stride), place.shape[1])
        state = {"level": self.features.past(like)}
        for name, layer in self._layers():
            state[name] = layer.past(like)
        return state

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it."""
        mask, state = self.mask(link(spec), state)
        return spec * mask.unsqueeze(1), state

    def mask(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Complex mask ``(B, F, T)`` for the linked spectrum ``(B, F, T)``."""
        after: State = {}
        features, after["level"] = self.features(spec, state["level"])
        encoded = self.encoder(features)
        x = encoded
        for name, layer in self._layers():
            x, after[name] = layer(x, state[name])
        real, imag = self.decoder(torch.cat([x, encoded], dim=-1), features.shape[2])
        return bounded_mask(real, imag, self.bound, spec.shape[1]), after

    def _layers(self) -> Iterator[tuple[str, Any]]:
        """Everything between encoder and decoder with the name of its state, in the order that it runs."""
        for number, block in enumerate(self.blocks, 1):
            yield f"blocks.{number - 1}", block
            if str(number) in self.by_position:
                yield f"by_position.{number}", self.by_position[str(number)]
                yield f"full_band.{number}", self.full_band[str(number)]
