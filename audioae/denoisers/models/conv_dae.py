"""The 2-D convolutional denoising autoencoder: frequency x time, causal, with a bounded complex mask.

Encoder: a convolution over frequency with a wide kernel and stride turns bands into P positions of C channels. Bottleneck:
residual blocks, each a depthwise convolution dilated in time, an exchange between positions, and two pointwise convolutions
(after MobileNet's inverted residuals and Conv-TasNet's temporal blocks, Luo & Mesgarani 2019). Decoder: a transposed
convolution over frequency from the outputs of the last block and the encoder (skip connection) to the mask of each band.
It is the identity before training.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from audioae.denoisers.layers.masking import Masking
from audioae.denoisers.layers.positions import PositionDecoder, PositionEncoder, positions
from audioae.denoisers.layers.recurrent import FrequencyRecurrence
from audioae.denoisers.layers.residual import ResidualBlock
from audioae.denoisers.settings import MOST_BLOCKS, Dilation, MaskConfig, check_size
from audioae.nn.causal import delay
from audioae.nn.spectral import BandFeatures, bounded_mask, identity_bias
from audioae.nn.trained import State
from audioae.settings.config import Field, model_validator


class Config(MaskConfig):
    """Settings of the ``model`` section for ``kind: conv_dae``."""

    channels: int = Field(96, ge=4, le=1024, description="C, channels at every position")
    stride: int = Field(8, ge=2, le=32, description="bands from one position to the next; the kernel is twice as wide")
    dilations: tuple[Dilation, ...] = Field(
        (1, 2, 4, 8, 16, 32, 1, 2, 4, 8),
        min_length=1,
        max_length=MOST_BLOCKS,
        description="one residual block for each, in frames",
    )
    kernel: int = Field(3, ge=2, le=9, description="taps in time of each block")
    look_ahead: tuple[Annotated[int, Field(ge=0, le=8)], ...] = Field(
        (), description="taps in time beyond `kernel` that look ahead, for each block; none for a causal network"
    )
    across_after: tuple[Annotated[int, Field(ge=1, le=MOST_BLOCKS)], ...] = Field(
        (),
        max_length=MOST_BLOCKS,
        description="blocks, counted from 1, after which a recurrence runs over the frequency axis of each frame",
    )
    across_hidden: int = Field(32, ge=4, le=512, description="hidden state of each of its directions")
    learned_past: bool = Field(
        False, description="learn what each block assumes before the first frame, for recordings that begin with speech"
    )
    power: float = Field(0.3, gt=0, le=1, description="exponent that compresses magnitudes")
    bound: float = Field(2.0, gt=1, le=10, description="largest magnitude of the mask")
    exponent: float = Field(
        1.0, gt=0, le=1, description="exponent of the mask's magnitudes above `knee`: below 1 attenuates less"
    )
    knee: float = Field(0.15, gt=0, le=1, description="magnitude of the mask, see `exponent`")

    @property
    def delay(self) -> int:
        """Look-ahead in frames, by which the output is delayed."""
        return sum(d * a for d, a in zip(self.dilations, self.look_ahead, strict=False))

    @property
    def receptive_field(self) -> int:
        """Frames that one output frame of the convolutions depends on, itself included."""
        return self.history + (self.kernel - 1) * sum(self.dilations) + self.delay

    @property
    def width(self) -> int:
        """Largest number of values per frame in the state of a stream."""
        return self.channels * positions(self.layout.total, self.stride)

    @model_validator(mode="after")
    def _ahead_of_blocks(self) -> "Config":
        if self.look_ahead and len(self.look_ahead) != len(self.dilations):
            raise ValueError(f"`look_ahead` holds one number for each of the {len(self.dilations)} `dilations`, or none")
        blocks, after = len(self.dilations), self.across_after
        if len(set(after)) < len(after) or not all(1 <= number <= blocks for number in after):
            raise ValueError(f"`across_after` holds numbers from 1 to {blocks}, the number of blocks, each once")
        check_size(self.receptive_field, self.width)
        return self


class Model(Masking):
    """Noisy spectrum to clean spectrum.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config.layout, config.offset_window, config.hops)
        self.stride, self.bound = config.stride, config.bound
        self.exponent, self.knee = config.exponent, config.knee
        channels, places = config.channels, positions(self.layout.total, config.stride)
        self.features = BandFeatures(config.power, config.level_window, self.layout)
        self.encoder = PositionEncoder(channels, config.stride, places)
        ahead = config.look_ahead or (0,) * len(config.dilations)
        self.blocks = nn.ModuleList(
            ResidualBlock(channels, config.kernel, d, places, a, config.learned_past)
            for d, a in zip(config.dilations, ahead, strict=True)
        )
        self.across = nn.ModuleDict(
            {str(number - 1): FrequencyRecurrence(channels, config.across_hidden) for number in config.across_after}
        )
        self.decoder = PositionDecoder(2 * channels, config.stride, (identity_bias(config.bound), 0.0))
        self.delay = config.delay
        """Delay of the output in frames."""
        self.receptive_field: int | None = config.receptive_field
        """Frames that one output frame depends on, itself included."""

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""
        place = self.encoder.place
        like = place.new_zeros(batch, 1, positions(self.layout.count(bins), self.stride), place.shape[1])
        state = {"level": self.features.past(like), **self.offset_state(batch, channels, like)}
        for name, layer in self.layers():
            state[name] = layer.past(like)
        if self.delay:
            state["encoded"] = like.new_zeros(batch, self.delay, *like.shape[2:])
            state["noisy"] = like.new_zeros(batch, self.delay, channels, bins, 2)
        return state

    def mask(self, parts: Tensor, state: State) -> tuple[Tensor, State]:
        """Real and imaginary parts of the linked spectrum ``(B, T, 2, F)`` to those of the mask."""
        hidden, bands, after = self.hidden(parts, state)
        return self.bounded(self.decoder(hidden, bands), parts.shape[-1]), after

    def bounded(self, decoded: Tensor, bins: int) -> Tensor:
        """The decoder's two numbers per band ``(B, T, 2, K)`` to the mask ``(B, T, 2, F)``."""
        return bounded_mask(decoded, self.bound, bins, self.layout, self.exponent, self.knee)

    def hidden(self, parts: Tensor, state: State) -> tuple[Tensor, int, State]:
        """Real and imaginary parts of the linked spectrum ``(B, T, 2, F)`` to the input of the decoder.

        Returns:
            Positions ``(B, T, P, 2C)``, the number of bands, and the next state.
        """
        after: State = {}
        features, after["level"] = self.features(parts, state["level"])
        encoded = self.encoder(features)
        x = encoded
        for name, layer in self.layers():
            x, after[name] = layer(x, state[name])
            if (place := name.replace("blocks.", "")) in self.across:
                x = self.across[place](x)
        if self.delay:
            encoded, after["encoded"] = delay(encoded, state["encoded"])
        return torch.cat([x, encoded], dim=-1), features.shape[2], after

    def layers(self) -> Iterator[tuple[str, Any]]:
        """All layers between encoder and decoder, in order, with the names of their states."""
        for number, block in enumerate(self.blocks):
            yield f"blocks.{number}", block
