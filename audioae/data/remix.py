"""Reuses a batch with exchanged noises, which gives new mixtures at little cost."""

from collections.abc import Callable

from torch import Tensor


def remixed(
    noisy: Tensor,
    clean: Tensor,
    turn: int,
    rows: int | None = None,
    rolled: Callable[[Tensor, int], Tensor] = lambda noise, turn: noise.roll(turn, 0),
) -> tuple[Tensor, Tensor]:
    """Mix each example with the noise of the example ``turn`` rows before it, at that example's SNR.

    After the Remix augmentation of Defossez et al., "Real time speech enhancement in the waveform domain", 2020. If a
    mixture would exceed full scale, both sides are attenuated. Turn 0 changes nothing.

    Args:
        noisy: ``(B, 1, N)``.
        clean: ``(B, 1, N)``.
        turn: how often the batch was used before.
        rows: size of the whole batch, if it is shared by several processes; B by default.
        rolled: shifts the rows of the whole batch, given and returned as the rows of this process.

    >>> import torch
    >>> clean = torch.tensor([[[0.2, -0.2]], [[0.1, -0.1]]])
    >>> noise = torch.tensor([[[0.1, 0.1]], [[0.0, 0.0]]])
    >>> remixed(clean + noise, clean, 1)[0].flatten()
    tensor([ 0.2000, -0.2000,  0.1500, -0.0500])
    """
    if turn % (rows or len(noisy)) == 0:
        return noisy, clean
    loudness = clean.square().mean((1, 2), keepdim=True).sqrt()
    # An example without speech counts as speech as loud as its noise.
    loudness = loudness.where(loudness > 1e-6, noisy.square().mean((1, 2), keepdim=True).sqrt())
    noise = (noisy - clean) / loudness.clamp_min(1e-6)
    mixture = clean + rolled(noise, turn) * loudness
    gain = (0.99 / mixture.abs().amax((1, 2), keepdim=True).clamp_min(1e-6)).clamp_max(1.0)
    return mixture * gain, clean * gain
