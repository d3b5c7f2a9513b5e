import pytest
import torch

from audioae.signal.fourier import rfft


@pytest.mark.parametrize(("samples", "size"), [(512, None), (1412, None), (205, None), (410, 1024), (3, 7), (1, 1), (1, 2)])
def test_values_and_gradients_are_those_of_torch(samples: int, size: int | None) -> None:
    x = torch.randn(3, samples, dtype=torch.float64, generator=torch.Generator().manual_seed(samples)).requires_grad_()
    towards = torch.randn(torch.fft.rfft(x, size).shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    assert torch.equal(rfft(x, size), torch.fft.rfft(x, size))
    ours, theirs = (torch.autograd.grad((f(x, size) * towards).real.sum(), x)[0] for f in (rfft, torch.fft.rfft))
    torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(lambda x: torch.view_as_real(rfft(x[:1, :3])), x)
