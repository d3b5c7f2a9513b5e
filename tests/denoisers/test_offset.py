"""A constant offset is removed from spectra exactly, and little else."""

import numpy as np
import pytest
import torch

from audioae.denoisers.layers.offset import OffsetRemoval, window_spectrum
from audioae.signal.stft import STFT


def cleaned(wave: np.ndarray, rate: int = 16_000) -> np.ndarray:
    stft, layer = STFT(rate, 0.024), OffsetRemoval(64)
    spec = stft(torch.from_numpy(wave).float()[None])
    parts = torch.view_as_real(spec).permute(0, 1, 3, 4, 2)
    offset, _ = layer(parts, layer.past(1, len(wave), parts))
    return stft.inverse(spec - offset.transpose(2, 3), wave.shape[-1])[0].numpy()


def test_the_spectrum_of_a_constant_is_that_of_the_window() -> None:
    stft = STFT(16_000)
    spec = stft(torch.full((1, 1, 8_000), 0.25))[0, 0, :, 5]
    torch.testing.assert_close(spec.real, 0.25 * window_spectrum(stft.bins), atol=1e-4, rtol=1e-4)
    assert spec.imag.abs().max() < 1e-4


def test_a_constant_is_gone_in_every_channel_and_the_rest_is_left() -> None:
    speech = np.random.default_rng(0).normal(size=(2, 48_000)) * 0.05
    left = cleaned(speech + np.array([[0.3], [-0.1]]))
    middle = slice(4_000, -4_000)  # the recording's ends are steps of the constant
    assert np.abs(left[:, middle].mean(1)).max() < 3e-3
    error = (left - speech)[:, middle]
    assert 10 * np.log10(np.square(speech[:, middle]).mean() / np.square(error).mean()) > 20


@pytest.mark.parametrize("hops", [2, 3, 4])
def test_partly_filled_frames_have_little_weight(hops: int) -> None:
    stft, layer = STFT(16_000, 0.016, 0.016 * hops), OffsetRemoval(64, hops - 1)
    parts = torch.view_as_real(stft(torch.full((1, 1, 16_000), 0.25))).permute(0, 1, 3, 4, 2)
    offset, _ = layer(parts, layer.past(1, 1, parts))
    whole = offset[0, 0, hops - 1 : 40, 0] / (0.25 * window_spectrum(stft.bins)[0])
    assert (whole - 1).abs().max() < 4e-3


def test_frame_by_frame_is_the_whole() -> None:
    stft, layer = STFT(16_000, 0.016, 0.048), OffsetRemoval(10, 2)
    spec = stft(torch.from_numpy(np.random.default_rng(0).normal(0.2, 0.1, (1, 2, 8_000))).float())
    parts = torch.view_as_real(spec).permute(0, 1, 3, 4, 2)
    whole, _ = layer(parts, layer.past(1, 2, parts))
    past, got = layer.past(1, 2, parts), []
    for frame in parts.split(1, dim=2):
        offset, past = layer(frame, past)
        got.append(offset)
    torch.testing.assert_close(torch.cat(got, 2), whole, atol=1e-4, rtol=1e-4)


def test_a_recording_without_offset_hardly_changes() -> None:
    time = np.arange(48_000) / 16_000
    low = 0.1 * np.sin(2 * np.pi * 60 * time)[None]
    assert 10 * np.log10(np.square(low).mean() / np.square(cleaned(low) - low).mean()) > 35
