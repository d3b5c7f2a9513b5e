"""Denoisers: a single network or an ensemble."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from audioae.nn.settings import ModelConfig
from audioae.nn.streaming import Part
from audioae.nn.trained import StreamingModel


class Denoiser(StreamingModel):
    """A trained model that removes noise from speech, at any rate from 8 to 192 kHz and any number of channels.

    Args:
        settings: settings of the network.
        name: name of the model, for messages.
        network: the network; built from the settings by default.
        members: denoisers of an ensemble; built from the settings by default.

    >>> import audioae, torch
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

    @property
    def restores(self) -> bool:
        """Whether the model was trained on damaged speech, and keeps noise."""
        return self.settings.purpose == "restorers"

    @property
    def rebuilds_noise(self) -> bool:
        """Whether the model was not trained to remove noise."""
        return self.restores

    def parts(self, rate: int) -> Sequence[Part[Tensor]]:
        """The network, or those of an ensemble, with their transforms at ``rate`` Hz.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        return [part for member in self.members for part in member.parts(rate)] or super().parts(rate)
