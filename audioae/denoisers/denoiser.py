"""Denoisers: a single network or an ensemble."""

from typing import Any

import torch
from torch import Tensor, nn

from audioae.nn.settings import ModelConfig
from audioae.nn.trained import State, StreamingModel


class Denoiser(StreamingModel):
    """A trained model that removes noise from speech, at any rate from 8 to 192 kHz and any number of channels.

    Args:
        settings: settings of the network.
        name: name of the model, for messages.
        network: the network; built from the settings by default.
        members: denoisers of an ensemble; built from the settings by default.

    >>> import audioae
    >>> denoiser = audioae.load()
    >>> clean = denoiser(torch.randn(2, 16000) * 0.01, 16000)  # (channels, samples) at 16 kHz
    >>> clean.shape
    torch.Size([2, 16000])
    """

    def __init__(
        self,
        settings: ModelConfig,
        name: str = "untrained",
        network: nn.Module | None = None,
        members: "list[Denoiser] | None" = None,
    ) -> None:
        super().__init__(settings, name, network)
        parts: Any = zip(getattr(settings, "members", ()), getattr(self.network, "members", ()), strict=False)
        self.members: list[Denoiser] = [Denoiser(own, name, part) for own, part in parts] if members is None else members
        """Members of an ensemble, which share its weights; empty for a single network."""

    def receptive_field_samples(self, rate: int) -> int | None:
        """Receptive field in samples, looking back; None if unbounded."""
        if not self.members:
            return super().receptive_field_samples(rate)
        fields = [member.receptive_field_samples(rate) for member in self.members]
        return None if None in fields else max(each for each in fields if each is not None)

    def delay(self, rate: int) -> int:
        """Delay of :meth:`step` in samples; for an ensemble, the largest delay of its members."""
        return max(member.delay(rate) for member in self.members) if self.members else super().delay(rate)

    def initial_state(self, batch: int, channels: int, rate: int, linked: bool = True) -> State:
        """State before the first sample of waves ``(batch, channels, N)``: a flat dict of zeros.

        Raises:
            ModelFileError: the weights are not float32.
        """
        if not self.members:
            return super().initial_state(batch, channels, rate, linked)
        state: State = {}
        for number, member in enumerate(self.members):
            own = member.initial_state(batch, channels, rate, linked)
            noisy = own.pop("noisy")
            own["wait"] = noisy.new_zeros(batch, channels, self.delay(rate) - member.delay(rate))
            state |= {f"members.{number}.{name}": value for name, value in own.items()}
        return state | {"noisy": noisy.new_zeros(batch, channels, self.delay(rate))}

    def _step(self, wave: Tensor, state: State, rate: int, linked: bool) -> tuple[Tensor, State]:
        if not self.members:
            return super()._step(wave, state, rate, linked)
        results: list[Tensor] = []
        after: State = {}
        for number, member in enumerate(self.members):
            prefix = f"members.{number}."
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            result, later = member._step(wave, own, rate, linked)
            joined = torch.cat([own["wait"], result], dim=-1)  # members with a smaller delay are delayed
            result, later["wait"] = joined[..., : wave.shape[-1]], joined[..., wave.shape[-1] :].clone()
            results.append(result)
            after |= {prefix + name: value for name, value in later.items()}
        return torch.stack(results).mean(0), after
