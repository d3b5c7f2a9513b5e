"""Phase reconstruction from magnitudes: Griffin-Lim."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchaudio.functional import griffinlim

from audioae.signal.seeds import checked_seed
from audioae.signal.stft import STFT

ITERATIONS = 60
MOMENTUM = 0.99


def griffin_lim(magnitude: Tensor, stft: STFT, seed: int = 0, iterations: int = ITERATIONS) -> Tensor:
    """A wave ``(B, T * hop)`` whose spectrum has approximately the magnitudes ``(B, F, T)``.

    torchaudio's fast Griffin-Lim algorithm (Perraudin et al. 2013) at twice the number of frames. Frames that overlap by
    half determine the phase poorly, so frames between them are interpolated on a logarithmic scale.

    Args:
        magnitude: magnitudes of :class:`~audioae.signal.stft.STFT` frames.
        stft: the transform.
        seed: seed of the initial phase.
        iterations: number of iterations; fewer are quicker and give a rougher sound.

    >>> stft = STFT(16000)
    >>> tone = torch.sin(torch.arange(16000) * 0.3)
    >>> magnitude = stft(tone[None, None])[:, 0].abs()
    >>> griffin_lim(magnitude, stft).shape[-1] // stft.hop == magnitude.shape[-1]
    True
    """
    frames = magnitude.shape[-1]
    # Frame t of stft is centred on sample t * hop, as are the frames here.
    fine = torch.exp(
        interpolate(torch.log(magnitude.clamp_min(1e-8)), size=2 * frames - 1, mode="linear", align_corners=True)
    )
    step = stft.hop // 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(checked_seed(seed))
        wave = griffinlim(
            fine,
            torch.hann_window(4 * step, device=fine.device),
            n_fft=2 * stft.hop,
            hop_length=step,
            win_length=4 * step,
            power=1.0,
            n_iter=iterations,
            momentum=MOMENTUM,
            length=None,
            rand_init=True,
        )
    wave = torch.nn.functional.pad(wave, (0, max(0, frames * stft.hop - wave.shape[-1])))[..., : frames * stft.hop]
    # The windows and therefore the scales differ.
    got = stft(wave.unsqueeze(1))[:, 0, :, :frames].abs()
    return wave * (magnitude.mean((1, 2)) / got.mean((1, 2)).clamp_min(1e-12))[:, None]
