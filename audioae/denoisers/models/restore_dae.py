"""The 2-D convolutional denoising autoencoder for damaged speech: it multiplies the spectrum by a mask and adds to it.

A mask restores distorted bands, but cannot fill empty ones. Therefore, the fine structure of each frame from 1.6 to 3.2 kHz
is copied upwards, and the network gives the gain of each band, which is the spectral envelope of the missing upper band
(after spectral band replication, Dietz et al. 2002, where the envelope is transmitted). All other layers are those of
``conv_dae``. Before training it is the identity, except for copies 80 dB below their source.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from audioae.denoisers.layers.positions import PositionDecoder
from audioae.denoisers.models import conv_dae
from audioae.nn.causal import delay_spectrum
from audioae.nn.spectral import link, two_parts
from audioae.nn.trained import State
from audioae.settings.config import Field

SOURCE_HZ = 1_600.0
"""Lower edge of the part of the spectrum that is copied, and its width: copies begin an octave higher."""
LEAST_GAIN_DB, MOST_GAIN_DB = -80.0, 40.0
"""Gain of the copies before training, and the largest one."""
DB_PER_NEPER = 20 / math.log(10)


class Config(conv_dae.Config):
    """Settings of the ``model`` section for ``kind: restore_dae``."""

    bound: float = Field(8.0, gt=1, le=10, description="largest magnitude of the mask; clipped peaks are raised by it")

    @property
    def purpose(self) -> str:
        """Restorers are listed apart, because they keep noise."""
        return "restorers"


class Model(conv_dae.Model):
    """Damaged spectrum to restored spectrum.

    Args:
        config: sizes; see :class:`Config`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.envelope = PositionDecoder(2 * config.channels, config.stride, (LEAST_GAIN_DB / DB_PER_NEPER,))

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Damaged ``(B, C, F, T)`` and the state before it to restored ``(B, C, F, T)`` and the state after it."""
        before: State = {}
        parts = self.without_offset(two_parts(spec), state, before)
        hidden, bands, after = self.hidden(link(parts), state)
        after |= before
        spec = torch.view_as_complex(parts.permute(0, 1, 4, 2, 3).contiguous())
        if self.delay:
            spec, after["noisy"] = delay_spectrum(spec, state["noisy"])
        mask = self.bounded(self.decoder(hidden, bands), spec.shape[2])
        result = spec * torch.complex(*mask.unbind(2)).transpose(1, 2).unsqueeze(1)
        return result + self.added(spec, self.envelope(hidden, bands)[:, :, 0]), after

    def added(self, spec: Tensor, logarithms: Tensor) -> Tensor:
        """The copies of the fine structure with their gains.

        Args:
            spec: ``(B, C, F, T)``.
            logarithms: natural logarithms of the gains ``(B, T, K)``.
        """
        source = _sources(spec.shape[2], self.layout.bin_hz).to(spec.device)
        gains = torch.exp(logarithms.float().clamp_max(MOST_GAIN_DB / DB_PER_NEPER))
        per_bin = torch.matmul(gains, self.layout.weights(spec.shape[2]).to(gains).T).transpose(1, 2)  # (B, F, T)
        return spec[:, :, source.clamp_min(0)] * (per_bin * (source >= 0)[:, None]).unsqueeze(1)


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # cached, and also used in training
def _sources(bins: int, bin_hz: float) -> Tensor:
    """The bin that each bin is a copy of ``(F,)``; -1 below the copies."""
    # An even number, because odd ones change the sign from frame to frame, which cancels where frames overlap by half.
    width = 2 * round(SOURCE_HZ / bin_hz / 2)
    number = torch.arange(bins)
    return torch.where(number < 2 * width, -1, width + number % width)
