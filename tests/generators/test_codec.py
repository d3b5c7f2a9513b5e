"""Spectrograms as images and back."""

import pytest
import torch

from audioae.generators.codec import LOUDEST, QUIETEST, SpectrogramImage
from audioae.signal.stft import STFT


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_encoding_and_decoding(rate: int) -> None:
    image, stft = SpectrogramImage(rate, 20), STFT(rate)
    generator = torch.Generator().manual_seed(0)
    spec = stft(0.1 * torch.randn(2, 1, 18 * stft.hop, generator=generator))[:, 0]
    drawn = image(spec)
    assert drawn.shape == (2, 1, stft.bins - 1, 20) and drawn.abs().max() <= 1
    back = image.magnitude(drawn, image.level(spec))
    assert back.shape == (2, stft.bins, 20)
    loud = spec.abs() > image.level(spec)[:, None, None] * 10 ** (QUIETEST / 20)
    loud[:, -1] = False  # the topmost bin is left out
    assert torch.allclose(back[:, :, : spec.shape[2]][loud], spec.abs()[loud], rtol=1e-3)
    assert (back[:, :, spec.shape[2] :] == 0).all()  # silence stays so


def test_an_image_does_not_depend_on_the_level() -> None:
    image = SpectrogramImage(8000, 20)
    spec = torch.randn(1, 129, 20, dtype=torch.cfloat, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(image(spec), image(0.01 * spec), atol=1e-4)
    assert image(torch.zeros(1, 129, 20, dtype=torch.cfloat)).unique().tolist() == [-1]
    assert LOUDEST > 0 > QUIETEST
