import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from audioae.errors import InputError
from audioae.signal.framing import BIN_HZ
from audioae.signal.stft import STFT

RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000]


def noise(samples: int, channels: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (1, channels, samples)).astype(np.float32))


LONGER = [(0.02, 0.048), (0.02, 0.06), (0.016, 0.1), (0.01, 0.0333)]
"""Hop and window in seconds, of frames that overlap by more than half."""


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("sizes", [(), *LONGER])
def test_reconstruction_is_perfect(rate: int, sizes: tuple[float, ...]) -> None:
    stft = STFT(rate, *sizes)
    for samples in (1, stft.hop - 1, stft.hop, 10 * stft.hop + 17, rate):
        wave = noise(samples, 2)
        back = stft.inverse(stft(wave), samples)
        assert back.shape == wave.shape
        assert (back - wave).abs().max() < 1e-6


@pytest.mark.parametrize("rate", RATES)
def test_agrees_with_scipy(rate: int) -> None:
    stft = STFT(rate)
    wave = noise(20 * stft.hop)
    window = np.sqrt(scipy.signal.get_window("hann", stft.n_fft))
    reference = scipy.signal.ShortTimeFFT(window, stft.hop, rate, fft_mode="onesided", phase_shift=None)
    expected = reference.stft(wave[0, 0].double().numpy(), p0=0, p1=stft.frames(20 * stft.hop))
    # scipy centres frame p on sample p * hop, where the second half of a frame begins here.
    assert np.abs(stft(wave)[0, 0].numpy() - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("sizes", LONGER)
def test_longer_windows_agree_with_scipy_too(sizes: tuple[float, float]) -> None:
    stft = STFT(16_000, *sizes)
    wave = noise(40 * stft.hop)
    window = np.sqrt(scipy.signal.get_window("hann", stft.n_fft))
    reference = scipy.signal.ShortTimeFFT(window, stft.hop, 16_000, fft_mode="onesided", phase_shift=None)
    assert np.abs(stft.dual.numpy() - reference.dual_win).max() < 1e-6
    # Frames here end with the hop, scipy's are centred on one. The difference is not a whole hop, so the wave is shifted.
    late = (stft.n_fft // 2 - stft.hop) % stft.hop
    moved = np.concatenate([np.zeros(late), wave[0, 0].double().numpy()])
    first = (stft.hop + late - stft.n_fft // 2) // stft.hop
    expected = reference.stft(moved, p0=first, p1=first + 40)
    assert np.abs(stft(wave)[0, 0, :, :40].numpy() - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("rate", RATES)
def test_is_defined_in_seconds(rate: int) -> None:
    stft = STFT(rate)
    assert stft.n_fft == 2 * stft.hop and stft.bins == stft.hop + 1
    assert rate / stft.n_fft == pytest.approx(BIN_HZ, rel=4e-3)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.sampled_from(RATES[:8]),
    st.sampled_from([(), *LONGER]),
    st.booleans(),
)
def test_frames_do_not_depend_on_the_chunks(pieces: list[int], rate: int, sizes: tuple[float, ...], gradients: bool) -> None:
    with torch.set_grad_enabled(gradients):  # without them, one frame is transformed by numpy
        assert_same_however_the_hops_come_in(pieces, STFT(rate, *sizes))


def assert_same_however_the_hops_come_in(pieces: list[int], stft: STFT) -> None:
    wave = noise(sum(pieces) * stft.hop, 2)
    past, tail = stft.carry(1, 2), stft.carry(1, 2)
    spectra, waves = [], []
    for piece in wave.split([p * stft.hop for p in pieces], dim=-1):
        spec, past = stft.analyze(piece, past)
        back, tail = stft.synthesize(spec, tail)
        spectra.append(spec)
        waves.append(back)
    whole, _ = stft.analyze(wave, stft.carry(1, 2))
    assert (torch.cat(spectra, -1) - whole).abs().max() < 1e-6 * max(10.0, float(whole.abs().max()))
    # Delayed, and otherwise equal to the input.
    joined, late = torch.cat(waves, -1), stft.late * stft.hop
    assert (joined[..., late:] - wave[..., :-late]).abs().max() < 1e-6 if sum(pieces) > stft.late else True


@pytest.mark.parametrize("rate", [0, 7999, 192001])
def test_other_rates_are_rejected_with_the_fix(rate: int) -> None:
    with pytest.raises(InputError, match="resample to one from 8000 to 192000"):
        STFT(rate)
