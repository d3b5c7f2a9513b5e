"""One pass over a wave: the same for every chunking, in one step for a whole wave, with gradients."""

import pytest
import torch
from torch import Tensor

from audioae.denoisers.denoiser import Denoiser
from audioae.denoisers.models import conv_dae
from audioae.nn.stream import Stream
from audioae.nn.strength import FULL


@pytest.fixture(scope="module")
def model() -> Denoiser:
    torch.manual_seed(0)
    config = conv_dae.Config(channels=4, dilations=(1, 2), look_ahead=(1, 0), level_window=8, offset_window=4)
    made = Denoiser(config).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return made


@pytest.mark.parametrize("chunks", [[5000], [1, 255, 256, 4488], [0, 700, 0, 4300], [128] * 39 + [8]], ids=len)
def test_chunks_give_the_result_of_the_whole(model: Denoiser, chunks: list[int]) -> None:
    wave = 0.1 * torch.randn(2, 2, 5000)
    stream = Stream(model, 16000, FULL, linked=True)
    with torch.inference_mode():
        parts = [stream.feed(part) for part in wave.split(chunks, dim=-1)]
        result = torch.cat([*parts, stream.flush()], dim=-1)
        torch.testing.assert_close(result, model.clean(wave, 16000), atol=1e-5, rtol=0)


def test_a_whole_wave_takes_one_step_through_which_gradients_pass(model: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, step = [], model.step

    def counted(wave: Tensor, *rest: object) -> object:
        steps.append(wave.shape[-1])
        return step(wave, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "step", counted)
    wave = (0.1 * torch.randn(1, 1, 3000)).requires_grad_()
    result = model.clean(wave, 16000)
    assert len(steps) == 1 and result.shape == wave.shape
    result.square().sum().backward()
    assert wave.grad is not None and wave.grad.isfinite().all() and wave.grad.any()


def test_an_empty_stream_ends_empty(model: Denoiser) -> None:
    assert Stream(model, 16000, FULL, linked=True).flush().shape == (1, 1, 0)
    assert model.clean(torch.zeros(3, 2, 0), 16000).shape == (3, 2, 0)
