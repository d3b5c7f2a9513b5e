"""The restorer's network adds copies of the fine structure above 3.2 kHz, and nothing below."""

import pytest
import torch

from audioae.denoisers.denoiser import Denoiser
from audioae.denoisers.models.restore_dae import LEAST_GAIN_DB, MOST_GAIN_DB, Config
from audioae.signal.stft import STFT

RATE = 16_000


def adding(gain_db: float) -> Denoiser:
    """A model whose mask is one and whose copies have this gain."""
    model = Denoiser(Config()).eval()
    with torch.no_grad():
        model.network.envelope.bias.fill_(gain_db / 8.6859)
    return model.requires_grad_(False)


def power(wave: torch.Tensor, low: float, high: float) -> float:
    spec = STFT(RATE)(wave).abs()
    hz = torch.linspace(0, RATE / 2, spec.shape[2])
    return float(spec[:, :, (hz >= low) & (hz <= high)].square().mean().detach())


@pytest.fixture
def narrow() -> torch.Tensor:
    """Noise without anything above 3 kHz."""
    spectrum = torch.fft.rfft(torch.randn(1, 1, 32_000, generator=torch.Generator().manual_seed(0)) * 0.1)
    spectrum[..., 6_000:] = 0
    return torch.fft.irfft(spectrum, 32_000)


@pytest.mark.parametrize("gain", [-20.0, 0.0, 6.0])
def test_copies_have_the_gain_and_nothing_is_added_below(narrow: torch.Tensor, gain: float) -> None:
    made = adding(gain).clean(narrow, RATE)
    source, copy = power(narrow, 1_800, 2_800), power(made, 3_500, 4_400)
    assert copy / source == pytest.approx(10 ** (gain / 10), rel=0.15)
    assert power(made - narrow, 100, 2_900) < 1e-3 * power(narrow, 100, 2_900)


def test_gains_are_bounded(narrow: torch.Tensor) -> None:
    made = adding(300.0).clean(narrow, RATE)
    assert torch.isfinite(made).all()
    assert power(made, 3_500, 4_400) / power(narrow, 1_800, 2_800) == pytest.approx(10 ** (MOST_GAIN_DB / 10), rel=0.2)


def test_before_training_copies_are_inaudible(narrow: torch.Tensor) -> None:
    made = Denoiser(Config()).eval().clean(narrow, RATE)
    assert 0 < power(made - narrow, 3_500, 4_400) < 2 * 10 ** (LEAST_GAIN_DB / 10) * power(narrow, 1_800, 2_800)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_bands_that_a_rate_does_not_have_are_not_added(rate: int) -> None:
    wave = torch.randn(1, 2, rate, generator=torch.Generator().manual_seed(0)) * 0.1
    assert adding(0.0).clean(wave, rate).shape == wave.shape
