"""Several 2-D convolutional denoisers whose results are averaged: a neural network ensemble (Hansen & Salamon 1990).

Networks that were trained apart err in different places; the mean of what they give errs less than each. Every member is a
:mod:`audioae.models.conv_dae` of its own size that hears the wave by a window of its own: a long one parts the harmonics of
a deep voice, a short one the sounds of quick speech. Members whose results come early wait for the latest;
:class:`audioae.denoiser.Denoiser` runs them side by side.
"""

from typing import Self

from torch import nn

from audioae.config import Field, model_validator
from audioae.models import conv_dae
from audioae.models._config import MOST_HELD, ModelConfig


class Config(ModelConfig):
    """What a recipe's ``model`` section may set for ``kind: ensemble_dae``."""

    members: tuple[conv_dae.Config, ...] = Field(
        (conv_dae.Config(), conv_dae.Config(look_ahead=(1, 1, 1, 1, 0, 0, 1, 1, 1, 1))),
        min_length=2,
        max_length=16,
        description="settings of each network, as for `conv_dae`, all with frames that begin together",
    )

    def of_format_1(self) -> Self:
        """As each member's."""
        return self.model_copy(update={"members": tuple(member.of_format_1() for member in self.members)})

    @property
    def hop_seconds(self) -> float:
        """Time from frame to frame of the spectra that each member takes."""
        return self.members[0].hop_seconds

    @property
    def latency(self) -> float:
        """Seconds from the moment that sound is fed to a stream until it is back at the latest."""
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


class Model(nn.Module):
    """The networks, each of which is run by itself.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.members = nn.ModuleList(conv_dae.Model(member) for member in config.members)
