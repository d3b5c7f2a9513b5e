"""Several 2-D convolutional denoisers whose masks are averaged: a neural network ensemble (Hansen & Salamon 1990).

Networks that were trained apart err in different places; the mean of their masks errs less than each. Every member is a
:mod:`audioae.models.conv_dae` of its own size; those that look less far ahead wait for the one that looks furthest.
"""

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from audioae.config import Field, model_validator
from audioae.models import conv_dae
from audioae.models._config import ModelConfig
from audioae.nn.causal import delay
from audioae.nn.masking import Masking, State


class Config(ModelConfig):
    """What a recipe's ``model`` section may set for ``kind: ensemble_dae``."""

    members: tuple[conv_dae.Config, ...] = Field(
        (conv_dae.Config(), conv_dae.Config(look_ahead=(1, 1, 1, 1, 0, 0, 1, 1, 1, 1))),
        min_length=2,
        max_length=16,
        description="sizes of each network, as for `conv_dae`",
    )

    @property
    def delay(self) -> int:
        """Frames that what comes out is late by, which is how far the furthest member looks ahead."""
        return max(member.delay for member in self.members)

    @property
    def hop_seconds(self) -> float:
        """Time from frame to frame of the spectra that all members take, half of their window."""
        return self.members[0].hop_seconds

    @model_validator(mode="after")
    def _of_one_window(self) -> "Config":
        windows = sorted({member.window for member in self.members})
        if len(windows) > 1:
            raise ValueError(
                f"members of windows of {' and '.join(map(str, windows))} s cannot be averaged: give all the same"
            )
        return self


class Model(Masking):
    """Noisy spectrum to clean spectrum.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.members = nn.ModuleList(conv_dae.Model(member) for member in config.members)
        self.delay = config.delay
        """Frames that what comes out is late by."""
        self.waits = [self.delay - member.delay for member in config.members]
        """Frames that each member's mask waits for the others."""
        self.receptive_field = max(wait + (member.receptive_field or 0) for _, member, wait in self._each())
        """Frames that one output frame depends on, itself included."""

    def _each(self) -> Iterator[tuple[str, conv_dae.Model, int]]:
        """What the names of each member's state begin with, the member, and the frames that it waits."""
        for number, (member, wait) in enumerate(zip(self.members, self.waits, strict=True)):
            yield f"members.{number}.", cast(conv_dae.Model, member), wait

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""
        state: State = {}
        for prefix, member, wait in self._each():
            own = member.initial_state(batch, channels, bins)
            state |= {prefix + name: value for name, value in own.items() if name != "noisy"}
            if wait:
                state[prefix + "mask"] = own["level"].new_zeros(batch, wait, 2, bins)
        if self.delay:
            state["noisy"] = state["members.0.level"].new_zeros(batch, self.delay, channels, bins, 2)
        return state

    def mask(self, parts: Tensor, state: State) -> tuple[Tensor, State]:
        """Real and imaginary parts of the linked spectrum ``(B, T, 2, F)`` to those of the mean mask."""
        after: State = {}
        masks = []
        for prefix, member, wait in self._each():
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            mask, later = member.mask(parts, own)
            if wait:
                mask, later["mask"] = delay(mask, own["mask"])
            masks.append(mask)
            after |= {prefix + name: value for name, value in later.items()}
        return torch.stack(masks).mean(0), after
