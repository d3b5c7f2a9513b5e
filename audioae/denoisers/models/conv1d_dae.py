"""The 1-D convolutional denoising autoencoder: convolution over frames with the bands as channels.

A pointwise convolution maps all bands of a frame to C channels, followed by dilated residual blocks and a pointwise
convolution to the complex mask of each band. All bands are connected in every layer, which is fast on a CPU (plain matrix
products), but weights are not shared over frequency, so that it has more parameters than the 2-D model. It is the identity
before training.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad

from audioae.denoisers.layers.masking import Masking
from audioae.denoisers.layers.residual import ResidualBlock
from audioae.denoisers.settings import MOST_BLOCKS, Dilation, MaskConfig, check_size
from audioae.nn.norm import BatchNorm
from audioae.nn.spectral import BandFeatures, bounded_mask, identity_bias
from audioae.nn.trained import State
from audioae.settings.config import Field, model_validator


class Config(MaskConfig):
    """Settings of the ``model`` section for ``kind: conv1d_dae``."""

    channels: int = Field(256, ge=4, le=4096, description="C, channels of every block")
    dilations: tuple[Dilation, ...] = Field(
        (1, 2, 4, 8, 16, 32, 1, 2, 4, 8),
        min_length=1,
        max_length=MOST_BLOCKS,
        description="one residual block for each, in frames",
    )
    kernel: int = Field(3, ge=2, le=9, description="taps in time of each block")
    power: float = Field(0.3, gt=0, le=1, description="exponent that compresses magnitudes")
    bound: float = Field(2.0, gt=1, le=10, description="largest magnitude of the mask")

    @property
    def receptive_field(self) -> int:
        """Frames that one output frame depends on, itself included."""
        return self.history + (self.kernel - 1) * sum(self.dilations)

    @model_validator(mode="after")
    def _of_sane_size(self) -> "Config":
        check_size(self.receptive_field, self.channels)
        return self


class Model(Masking):
    """Noisy spectrum to clean spectrum.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config.layout, config.offset_window, config.hops)
        self.bound, self.bands = config.bound, self.layout.total
        channels = config.channels
        self.features = BandFeatures(config.power, config.level_window, self.layout)
        self.encode = nn.Linear(self.bands * BandFeatures.channels, channels)
        self.norm = BatchNorm(channels)
        self.blocks = nn.ModuleList(ResidualBlock(channels, config.kernel, d) for d in config.dilations)
        self.decode = nn.Linear(2 * channels, 2 * self.bands)
        self.receptive_field = config.receptive_field
        """Frames that one output frame depends on, itself included."""
        self.delay = config.delay
        """Delay of the output in frames."""
        nn.init.zeros_(self.decode.weight)
        nn.init.zeros_(self.decode.bias)
        self.mask_bias = nn.Parameter(torch.tensor([identity_bias(config.bound), 0.0]))

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""
        like = self.mask_bias.new_zeros(batch, 1, self.encode.out_features)
        state = {"level": self.features.past(like), **self.offset_state(batch, channels, like)}
        for i, block in enumerate(self.blocks):
            state[f"blocks.{i}"] = cast(ResidualBlock, block).past(like)
        return state

    def mask(self, parts: Tensor, state: State) -> tuple[Tensor, State]:
        """Real and imaginary parts of the linked spectrum ``(B, T, 2, F)`` to those of the mask."""
        after: State = {}
        features, after["level"] = self.features(parts, state["level"])
        count = features.shape[2]
        # Bands above the Nyquist frequency count as silent, and their masks are dropped.
        everything = pad(features, (0, 0, 0, self.bands - count)).flatten(2)
        encoded = leaky_relu(self.norm.after(self.encode, everything), 0.1)
        x = encoded
        for i, block in enumerate(self.blocks):
            x, after[f"blocks.{i}"] = block(x, state[f"blocks.{i}"])
        mask = self.decode(torch.cat([x, encoded], dim=-1)).unflatten(-1, (2, self.bands)) + self.mask_bias[:, None]
        return bounded_mask(mask[..., :count], self.bound, parts.shape[-1], self.layout), after
