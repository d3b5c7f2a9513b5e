"""Bases of the models that :func:`audioae.load` returns: a network with its settings and its name.

:class:`TrainedModel` is the base of every family's class, :class:`StreamingModel` of those that take waves to waves.
"""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from audioae.audio.layout import AnyWave, Audio, checked
from audioae.errors import ModelFileError
from audioae.nn.settings import ModelConfig
from audioae.nn.streaming import Part, Streaming
from audioae.settings.registry import find
from audioae.signal.arrays import as_tensor
from audioae.signal.stft import STFT
from audioae.system.threads import for_sound

State = dict[str, Tensor]


class SpectralNetwork(nn.Module):
    """Base of networks from noisy to clean spectra, frame by frame.

    Attributes:
        delay: delay of the output in frames.
        receptive_field: number of frames that an output frame depends on, itself included; None if unbounded.
    """

    delay: int = 0
    receptive_field: int | None = None

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """State before the first frame, for spectra ``(batch, channels, bins, T)``: a flat dict of zeros."""
        raise NotImplementedError

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it."""
        raise NotImplementedError


class TrainedModel(nn.Module):
    """A network with its settings.

    Args:
        settings: settings of the network.
        name: name of the model, for messages.
        network: the network; built from the settings by default.

    Attributes:
        recipe_text: the recipe that the model was trained with, as text; empty if unknown.
    """

    settings: ModelConfig
    network: nn.Module

    def __init__(self, settings: ModelConfig, name: str = "untrained", network: nn.Module | None = None) -> None:
        super().__init__()
        self.settings, self.name = settings, name
        self.recipe_text = ""
        self.network = find(settings.kind, f"{settings.family}.models").Model(settings) if network is None else network
        self._transforms: dict[int, STFT] = {}

    @property
    def device(self) -> torch.device:
        """Device of the weights. Waves are moved there, and results back."""
        for values in (self.network.parameters(), self.network.buffers()):
            for each in values:
                return each.device
        return torch.device("cpu")

    def fingerprint(self) -> str:
        """Hash of all weights, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for name, value in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def check_precision(self) -> None:
        """Reject weights that are not float32, the type of waves and spectra.

        Raises:
            ModelFileError: ``half()``, ``double()`` or the like was called.
        """
        dtype = next((each.dtype for each in self.network.parameters()), torch.float32)
        if dtype != torch.float32:
            raise ModelFileError(f"{self.name}: its weights are {dtype}: call float(), for models run in torch.float32")

    def transform(self, rate: int) -> STFT:
        """The STFT at ``rate`` Hz, on the model's device.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        stft = self._transforms.get(rate)
        if stft is None or stft.window.device != self.device:
            with torch.inference_mode(False):  # cached, and also used in training
                settings = self.settings
                stft = STFT(rate, settings.hop_seconds, settings.window_seconds).to(self.device)
                self._transforms[rate] = stft
        return stft

    def checked(self, wave: Tensor) -> Tensor:
        """Check that a result of this model is finite. If the input is finite and the result is not, the model is broken.

        Raises:
            ModelFileError: samples are NaN or infinite.
        """
        return checked(wave, self.name)


class StreamingModel(TrainedModel, Streaming[Tensor]):
    """A model from waves to waves, whole or in chunks, at 8 to 192 kHz and with any number of channels."""

    network: SpectralNetwork

    def parts(self, rate: int) -> Sequence[Part[Tensor]]:
        """The transform at ``rate`` Hz with the network.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
        """
        return [Part(self.transform(rate), self.network)]

    @property
    def takes_batches(self) -> bool:
        """Whether several recordings at a time are faster: on a GPU."""
        return self.device.type != "cpu"

    def taken(self, wave: AnyWave) -> Tensor:
        """A wave as a tensor on the model's device."""
        return as_tensor(wave).to(self.device)

    def inference(self) -> AbstractContextManager[object]:
        """A context without gradients."""
        return torch.inference_mode()

    def initial_state(self, batch: int, channels: int, rate: int, linked: bool = True) -> State:
        """State before the first sample of waves ``(batch, channels, N)``: a flat dict of zeros.

        Raises:
            ModelFileError: the weights are not float32.
        """
        self.check_precision()
        return super().initial_state(batch, channels, rate, linked)

    def _threads(self, samples: int, rate: int) -> AbstractContextManager[None]:
        """One thread for a short wave; no change in training."""
        return nullcontext() if self.training else for_sound(samples, rate)

    def forward(
        self,
        audio: Audio,
        rate: int,
        atten_limit: float | None = None,
        mix: float = 1.0,
        channels: str = "linked",
    ) -> Audio:
        """:meth:`~audioae.nn.streaming.Streaming.recording`."""
        return self.recording(audio, rate, atten_limit, mix, channels)

    if TYPE_CHECKING:  # for type checkers, because torch declares the result as Any

        def __call__(
            self, audio: Audio, rate: int, atten_limit: float | None = None, mix: float = 1.0, channels: str = "linked"
        ) -> Audio:
            """See :meth:`forward`."""
