"""Several 2-D convolutional denoisers whose results are averaged: a neural network ensemble (Hansen & Salamon 1990).

The errors of networks that were trained separately are partly uncorrelated, so the mean of their results has a smaller
error than each of them. Every member is a :mod:`audioae.denoisers.models.conv_dae` with its own size and its own STFT
window: a long window separates the harmonics of a deep voice, a short one the sounds of quick speech. Results of members
with less latency are delayed to match the slowest; :class:`audioae.denoisers.denoiser.Denoiser` runs all members.
"""

from typing import Self

from torch import nn

from audioae.denoisers.models import conv_dae
from audioae.denoisers.settings import MOST_HELD
from audioae.nn.settings import ModelConfig
from audioae.nn.trained import SpectralNetwork
from audioae.settings.config import Field, model_validator


class Config(ModelConfig):
    """Settings of the ``model`` section for ``kind: ensemble_dae``."""

    members: tuple[conv_dae.Config, ...] = Field(
        (conv_dae.Config(), conv_dae.Config(look_ahead=(1, 1, 1, 1, 0, 0, 1, 1, 1, 1))),
        min_length=2,
        max_length=16,
        description="settings of each network, as for `conv_dae`, all with the same hop",
    )

    def of_format_1(self) -> Self:
        """See :meth:`ModelConfig.of_format_1`; applied to each member."""
        return self.model_copy(update={"members": tuple(member.of_format_1() for member in self.members)})

    @property
    def hop_seconds(self) -> float:
        """Hop of the STFT in seconds, equal for all members."""
        return self.members[0].hop_seconds

    @property
    def latency(self) -> float:
        """Latency of a stream in seconds, that of the slowest member."""
        return max(member.latency for member in self.members)

    @model_validator(mode="after")
    def _of_one_hop(self) -> "Config":
        hops = sorted({member.hop_seconds for member in self.members})
        if len(hops) > 1:
            raise ValueError(
                f"members with a frame every {' and '.join(map(str, hops))} s cannot be averaged: give all the same `hop`"
            )
        if sum(member.receptive_field * member.width for member in self.members) > MOST_HELD:
            raise ValueError("the members' streams would hold too much: give fewer members, `channels` or `dilations`")
        return self


class Model(SpectralNetwork):
    """The networks of the members. :class:`~audioae.denoisers.denoiser.Denoiser` runs each with its own STFT.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.members = nn.ModuleList(conv_dae.Model(member) for member in config.members)
