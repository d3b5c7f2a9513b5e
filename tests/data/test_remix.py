"""Noises are rotated among the examples of a batch; speech, SNR and full scale are unchanged."""

import pytest
import torch
from torch import Tensor

from audioae.data.remix import remixed


def batch(rows: int = 4) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    levels = torch.tensor([0.1, 0.02, 0.2, 0.05])[:rows, None, None]
    clean = levels * torch.randn(rows, 1, 8000, generator=draw)
    return clean + 0.5 * levels * torch.randn(rows, 1, 8000, generator=draw), clean


def power(wave: Tensor) -> Tensor:
    return wave.square().mean((1, 2))


@pytest.mark.parametrize("turn", [0, 4, 8])
def test_a_full_cycle_of_turns_gives_the_batch_itself(turn: int) -> None:
    noisy, clean = batch()
    assert all(torch.equal(*pair) for pair in zip(remixed(noisy, clean, turn), (noisy, clean), strict=True))


@pytest.mark.parametrize("turn", [1, 2, 3, 5])
def test_noises_are_exchanged_at_their_own_snr(turn: int) -> None:
    noisy, clean = batch()
    mixture, target = remixed(noisy, clean, turn)
    noise = mixture - target
    assert torch.allclose(power(noise) / power(target), (power(noisy - clean) / power(clean)).roll(turn), rtol=1e-4)
    for row in range(4):
        other = (noisy - clean)[(row - turn) % 4, 0]
        assert torch.corrcoef(torch.stack([noise[row, 0], other]))[0, 1] > 0.9999
        assert torch.corrcoef(torch.stack([target[row, 0], clean[row, 0]]))[0, 1] > 0.9999


def test_both_sides_are_scaled_to_stay_within_full_scale() -> None:
    noisy, clean = batch()
    noisy, clean = 4 * noisy, 4 * clean
    mixture, target = remixed(noisy, clean, 1)
    assert mixture.abs().max() <= 0.9901
    gain = (power(target) / power(clean)).sqrt()
    assert gain.min() < 0.9 and gain.max() <= 1.0
    assert torch.allclose(target, clean * gain[:, None, None], rtol=1e-4)


def test_noise_alone_and_silence_are_accepted() -> None:
    noisy, clean = batch()
    clean[1] = 0
    noisy[2] = clean[2] = 0
    for turn in (1, 2, 3):
        mixture, target = remixed(noisy, clean, turn)
        assert torch.isfinite(mixture).all() and not target[1].any() and not target[2].any()
    one = batch(1)
    assert torch.equal(remixed(*one, 3)[0], one[0])
