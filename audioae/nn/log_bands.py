"""Standardised log magnitudes, on mel bands or on single bins: the features of autoencoders and classifiers."""

import math

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from audioae.nn.spectral import LEVEL_BINS, SILENCE
from audioae.signal.framing import hop_length

FLOOR = 1e-3
"""Lower limit of magnitudes relative to the level: -60 dB."""
MAX_GAIN_DB, MIN_GAIN_DB = 30.0, -40.0
"""Largest and smallest gain between two sets of bands in dB."""


class LogBands(nn.Module):
    """Spectral magnitudes as standardised log-bands, and back.

    Bins have the same spacing at every rate (:mod:`audioae.signal.framing`), so that spectra at any rate are accepted: bins
    above ``rate / 2`` are ignored, and missing ones count as silence.

    Args:
        kind: ``log_mel`` for mel bands (Slaney's scale, with weights that sum to one) or ``log_magnitude`` for single
            bins.
        rate: Hz, twice the upper edge of the bands.
        bands: K, for ``log_mel``; for ``log_magnitude`` K is the hop, because the highest bin is left out.

    Attributes:
        bands: K.
        mean: mean of each band's natural logarithm, ``(K,)``; set by :meth:`fit`.
        deviation: standard deviation of the same, ``(K,)``.
    """

    mean: Tensor
    deviation: Tensor
    average: Tensor
    spread: Tensor

    def __init__(self, kind: str, rate: int, bands: int) -> None:
        super().__init__()
        average, spread = _tables(kind, rate, bands)
        self.bands = average.shape[1]
        self.register_buffer("average", average, persistent=False)
        self.register_buffer("spread", spread, persistent=False)
        self.register_buffer("mean", torch.zeros(self.bands))
        self.register_buffer("deviation", torch.ones(self.bands))

    def forward(self, magnitude: Tensor) -> Tensor:
        """Magnitudes ``(..., F, T)`` relative to the level to standardised log-bands ``(..., T, K)``."""
        return self.standardise(self.log(magnitude))

    def level(self, spec: Tensor) -> Tensor:
        """Mean magnitude ``(B,)`` of the frames of spectra ``(B, F, T)`` that are not silent; patches are relative to it."""
        levels = spec.abs()[:, LEVEL_BINS].mean(1)
        return levels.sum(1) / (levels > SILENCE).sum(1).clamp_min(1)

    def relative(self, spec: Tensor, level: Tensor) -> Tensor:
        """Log-bands ``(B, T, K)`` of spectra ``(B, F, T)`` relative to their levels ``(B,)``, not standardised."""
        return self.log(spec.abs() / level.clamp_min(SILENCE)[:, None, None])

    def patches(self, spec: Tensor, level: Tensor, frames: int) -> Tensor:
        """Spectra ``(B, F, T)`` and their levels ``(B,)`` to patches of P frames one after the other, ``(B, M, K, P)``.

        Frames after the last whole patch are dropped.
        """
        return self.standardise(self.relative(spec, level)).unfold(1, frames, frames)

    def standardise(self, logarithms: Tensor) -> Tensor:
        """The result of :meth:`log`, standardised by mean and deviation."""
        return (logarithms - self.mean) / self.deviation

    def log(self, magnitude: Tensor) -> Tensor:
        """:meth:`forward` before standardisation: the natural logarithm of each band's root mean square."""
        bins = min(magnitude.shape[-2], self.average.shape[0])
        power = magnitude[..., :bins, :].square().transpose(-1, -2) @ self.average[:bins]
        return 0.5 * torch.log(power + FLOOR**2)

    @torch.no_grad()
    def fit(self, logarithms: Tensor) -> None:
        """Set mean and deviation from results of :meth:`log` on training data, ``(..., K)``."""
        values = logarithms.flatten(0, -2)
        self.mean.copy_(values.mean(0))
        self.deviation.copy_(values.std(0).clamp_min(1e-3))

    def magnitude(self, bands: Tensor) -> Tensor:
        """Standardised log-bands ``(..., T, K)`` to smooth magnitudes ``(..., F, T)`` with these bands."""
        power = torch.exp(2 * (bands * self.deviation + self.mean))
        bins = (power @ self.spread.T).clamp_min(0).sqrt().transpose(-1, -2)
        return torch.cat([bins, bins[..., -1:, :]], dim=-2)

    def gain(self, wanted: Tensor, present: Tensor, bins: int, top: float = MAX_GAIN_DB) -> Tensor:
        """Gain per bin ``(..., bins, T)`` from log-bands ``present`` to ``wanted``, both standardised ``(..., T, K)``."""
        decibels = (wanted - present) * self.deviation * (20 / math.log(10))
        gain = 10 ** (decibels.clamp(MIN_GAIN_DB, top) / 20)
        spread = self.spread
        if bins > len(spread):
            spread = torch.cat([spread, spread[-1:].expand(bins - len(spread), -1)])
        return (gain @ spread[:bins].T).transpose(-1, -2)


def _tables(kind: str, rate: int, bands: int) -> tuple[Tensor, Tensor]:
    """Matrices ``(F, K)`` from bins to bands and back: columns of the first and rows of the second sum to one."""
    hop = hop_length(rate)
    with torch.device("cpu"):  # also if the model is built on the meta device
        if kind == "log_mel":
            table = melscale_fbanks(hop + 1, 0.0, rate / 2, bands, rate, mel_scale="slaney")[:hop]
            # A band narrower than the distance between bins may fall between two of them.
            centres = torch.linspace(0, hop - 1, bands).long()
            empty = table.sum(0) == 0
            table[centres[empty], empty.nonzero().squeeze(1)] = 1.0
        else:
            table = torch.eye(hop)
        rows = table.sum(1, keepdim=True)
        # Bins outside all bands use the nearest band.
        nearest = torch.zeros_like(table)
        peaks = table.argmax(0)
        closest = (torch.arange(hop)[:, None] - peaks[None]).abs().argmin(1)
        nearest[torch.arange(hop), closest] = 1.0
        return table / table.sum(0), torch.where(rows > 0, table / rows.clamp_min(1e-12), nearest)
