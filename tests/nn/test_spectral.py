"""From spectra to features and back: one spectrum for all channels, what an export computes, masks under their bound."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from audioae.nn.spectral import BandFeatures, bounded_mask, link, two_parts
from audioae.signal import bands


def spectrum(channels: int, frames: int = 7) -> Tensor:
    parts = np.random.default_rng(channels).normal(size=(2, channels, 257, frames, 2)).astype(np.float32)
    return torch.view_as_complex(torch.from_numpy(parts))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_the_linked_spectrum_has_the_mean_power_and_the_phase_of_the_sum(channels: int) -> None:
    spec = spectrum(channels)
    linked = torch.complex(*link(two_parts(spec)).unbind(2)).transpose(1, 2).numpy()
    wide = spec.numpy().astype(np.complex128)
    np.testing.assert_allclose(np.abs(linked) ** 2, (np.abs(wide) ** 2).mean(1), rtol=1e-4)
    np.testing.assert_allclose(np.angle(linked), np.angle(wide.sum(1)), atol=1e-2)


def test_the_order_of_channels_does_not_matter() -> None:
    spec = spectrum(4)
    torch.testing.assert_close(link(two_parts(spec)), link(two_parts(spec.flip(1))), rtol=1e-4, atol=1e-5)


class Front(nn.Module):
    """What stands before a network."""

    def __init__(self) -> None:
        super().__init__()
        self.features = BandFeatures(0.3, 16)

    def forward(self, parts: Tensor, past: Tensor) -> Tensor:
        return self.features(link(parts), past)[0]


@pytest.mark.parametrize("channels", [2, 3])
def test_exported_features_are_the_same(channels: int) -> None:
    front, example = Front().eval(), two_parts(spectrum(4))
    past = front.features.past(example)
    axis = torch.export.Dim("channels")
    front(example, past)  # the table of bands is made before, as in the export to ONNX
    program = torch.export.export(front, (example, past), dynamic_shapes=({1: axis}, None), strict=False)
    parts = two_parts(spectrum(channels))
    torch.testing.assert_close(program.module()(parts, past), front(parts, past), rtol=1e-4, atol=1e-5)


def test_masks_stay_under_their_bound_and_keep_the_phase() -> None:
    parts = torch.randn(1, 5, 2, bands.count(257), generator=torch.Generator().manual_seed(0)) * 100
    whole = torch.complex(*bounded_mask(parts, 2.0, 257).unbind(2))
    assert whole.abs().max() <= 2.0 + 1e-5
    lowest = torch.angle(torch.complex(*parts.unbind(2)))[..., 0]
    torch.testing.assert_close(torch.angle(whole)[..., 0], lowest, atol=1e-3, rtol=0)


def test_an_exponent_raises_what_lies_above_the_knee() -> None:
    parts = torch.randn(1, 5, 2, bands.count(257), generator=torch.Generator().manual_seed(0)) * 2
    # At the lowest bin there is one band, so that nothing is interpolated.
    plain, raised = (torch.complex(*bounded_mask(parts, 2.0, 257, *more).unbind(2))[..., 0] for more in ((), (0.7, 0.15)))
    magnitude = plain.abs()
    torch.testing.assert_close(raised.abs(), magnitude * magnitude.clamp_min(0.15) ** -0.3)
    torch.testing.assert_close(raised.angle(), plain.angle(), atol=1e-4, rtol=0)
