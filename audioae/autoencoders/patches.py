"""Waves to the patches that autoencoders read, with what is needed to go back."""

from typing import NamedTuple, cast

from torch import Tensor
from torch.nn.functional import pad

from audioae.autoencoders.models.autoencoder import Model as Autoencoder
from audioae.denoisers.denoiser import Denoiser


class Patches(NamedTuple):
    """A recording in patches of P frames; the last one is filled up with silence.

    Attributes:
        spec: spectra ``(C, F, M * P)``.
        level: of each channel, which the patches are relative to, ``(C,)``.
        values: patches one after the other, ``(C, M, K, P)``.
    """

    spec: Tensor
    level: Tensor
    values: Tensor


def patches_of(denoiser: Denoiser, wave: Tensor, rate: int, level: Tensor | None = None) -> Patches:
    """The patches of a wave.

    Args:
        denoiser: with an autoencoder inside.
        wave: ``(C, N)``.
        rate: Hz.
        level: what the patches are to be relative to, ``(C,)``; the wave's own if it is not given.
    """
    autoencoder = cast(Autoencoder, denoiser.model)
    stft = denoiser.transform(rate)
    length = autoencoder.config.frames
    whole = max(1, -(-stft.frames(wave.shape[-1]) // length)) * length
    # A transform of so many samples has just so many frames.
    padded = pad(wave.to(denoiser.device), (0, (whole - 1) * stft.hop - wave.shape[-1]))
    spec = stft(padded.unsqueeze(0))[0]
    if level is None:
        level = autoencoder.features.level(spec)
    return Patches(spec, level, autoencoder.patches(spec, level))
