"""Features and masks: one spectrum for all channels, exported computations, bounded masks."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from audioae.nn.spectral import BandFeatures, bounded_mask, link, two_parts
from audioae.signal.bands import BandLayout

LAYOUT = BandLayout(1 / 0.032)


def spectrum(channels: int, frames: int = 7) -> Tensor:
    parts = np.random.default_rng(channels).normal(size=(2, channels, 257, frames, 2)).astype(np.float32)
    return torch.view_as_complex(torch.from_numpy(parts))


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_the_linked_spectrum_has_the_mean_power_and_the_phase_of_the_sum(channels: int) -> None:
    spec = spectrum(1) + 0.2 * spectrum(channels)  # much in common, as in most stereo
    linked = torch.complex(*link(two_parts(spec)).unbind(2)).transpose(1, 2).numpy()
    wide = spec.numpy().astype(np.complex128)
    np.testing.assert_allclose(np.abs(linked) ** 2, (np.abs(wide) ** 2).mean(1), rtol=1e-4)
    loud = np.abs(wide[:, 0]) > 1.0
    np.testing.assert_allclose(np.angle(linked)[loud], np.angle(wide.sum(1))[loud], atol=1e-2)


def test_the_order_of_channels_does_not_matter_to_magnitudes() -> None:
    spec = spectrum(4)
    one, other = (torch.complex(*link(two_parts(each)).unbind(2)) for each in (spec, spec.flip(1)))
    torch.testing.assert_close(one.abs(), other.abs(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("degrees", [0, 60, 90, 170, 180])
@pytest.mark.parametrize("hiss", [0.0, 1e-3])
def test_a_copy_in_any_phase_leaves_the_first_channels_phase(degrees: float, hiss: float) -> None:
    first = spectrum(1)
    turned = first * torch.polar(torch.tensor(1.0), torch.tensor(np.deg2rad(degrees), dtype=torch.float32))
    both = torch.cat([first, turned], dim=1) + hiss * spectrum(2).flip(-1)
    linked = torch.complex(*link(two_parts(both)).unbind(2)).transpose(1, 2)
    difference = torch.angle(linked * first[:, 0].conj())[first[:, 0].abs() > 0.1]
    assert (difference - difference.median()).abs().max() < 0.1  # the same rotation for all, not a random one
    assert difference.median().abs() < np.deg2rad(61)


class Front(nn.Module):
    """Features and link, the input of a network."""

    def __init__(self) -> None:
        super().__init__()
        self.features = BandFeatures(0.3, 16, LAYOUT)

    def forward(self, parts: Tensor, past: Tensor) -> Tensor:
        return self.features(link(parts), past)[0]


@pytest.mark.parametrize("channels", [2, 3])
def test_exported_features_are_the_same(channels: int) -> None:
    front, example = Front().eval(), two_parts(spectrum(4))
    past = front.features.past(example)
    axis = torch.export.Dim("channels")
    front(example, past)  # the table of bands is computed first, as in the export to ONNX
    program = torch.export.export(front, (example, past), dynamic_shapes=({1: axis}, None), strict=False)
    parts = two_parts(spectrum(channels))
    torch.testing.assert_close(program.module()(parts, past), front(parts, past), rtol=1e-4, atol=1e-5)


def test_masks_stay_under_their_bound_and_keep_the_phase() -> None:
    parts = torch.randn(1, 5, 2, LAYOUT.count(257), generator=torch.Generator().manual_seed(0)) * 100
    whole = torch.complex(*bounded_mask(parts, 2.0, 257, LAYOUT).unbind(2))
    assert whole.abs().max() <= 2.0 + 1e-5
    lowest = torch.angle(torch.complex(*parts.unbind(2)))[..., 0]
    torch.testing.assert_close(torch.angle(whole)[..., 0], lowest, atol=1e-3, rtol=0)


def test_an_exponent_raises_what_lies_above_the_knee() -> None:
    parts = torch.randn(1, 5, 2, LAYOUT.count(257), generator=torch.Generator().manual_seed(0)) * 2
    # At the lowest bin there is one band, so that nothing is interpolated.
    plain, raised = (
        torch.complex(*bounded_mask(parts, 2.0, 257, LAYOUT, *more).unbind(2))[..., 0] for more in ((), (0.7, 0.15))
    )
    magnitude = plain.abs()
    torch.testing.assert_close(raised.abs(), magnitude * magnitude.clamp_min(0.15) ** -0.3)
    torch.testing.assert_close(raised.angle(), plain.angle(), atol=1e-4, rtol=0)
