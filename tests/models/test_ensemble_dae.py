"""The mean of several masks, and the second pass."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from audioae.models import conv_dae, ensemble_dae

SIZES = {"channels": 8, "dilations": (1, 2)}
MEMBERS = (conv_dae.Config(**SIZES, look_ahead=(1, 1)), conv_dae.Config(**SIZES, look_ahead=(1, 0)))


def trained(second_pass: float | None, members: tuple[conv_dae.Config, ...] = MEMBERS) -> ensemble_dae.Model:
    torch.manual_seed(0)
    model = ensemble_dae.Model(ensemble_dae.Config(members=members, second_pass=second_pass)).eval()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    return model.requires_grad_(False)


def spectrum(frames: int) -> Tensor:
    return torch.randn(2, 2, 129, frames, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))


def early(model: torch.nn.Module, spec: Tensor) -> Tensor:
    """What comes out, with the delay taken off."""
    padded = pad(spec, (0, model.delay))
    return model(padded, model.initial_state(*spec.shape[:3]))[0][..., model.delay :]


def test_the_second_pass_is_the_last_member_on_what_the_first_leaves() -> None:
    spec = spectrum(30)
    first = early(trained(None), spec)
    model = trained(0.25)
    assert model.delay == 3 + 1
    # What the first mask is late by, the second pass hears as silence before the recording.
    again = early(model.members[-1], pad(0.75 * first + 0.25 * spec, (3, 0)))[..., 3:]
    assert torch.allclose(early(model, spec), (first + again) / 2, atol=1e-5)
    assert not torch.allclose(first, again, atol=1e-2)


@pytest.mark.parametrize("members", [MEMBERS, (conv_dae.Config(**SIZES),) * 2])
def test_frames_one_by_one_are_the_whole_with_a_second_pass(members: tuple[conv_dae.Config, ...]) -> None:
    model, spec = trained(0.1, members), spectrum(30)
    whole, _ = model(spec, state := model.initial_state(2, 2, 129))
    parts = []
    for frame in spec.split(1, dim=-1):
        part, state = model(frame, state)
        parts.append(part)
    assert torch.allclose(torch.cat(parts, -1), whole, atol=1e-5)


def test_the_receptive_field_holds_with_a_second_pass() -> None:
    members = (conv_dae.Config(**SIZES, look_ahead=(1, 1), level_window=5),) * 2
    model, spec = trained(0.25, members), spectrum(60)
    field = model.receptive_field
    changed = spec.clone()
    changed[..., : 60 - field] *= -0.3
    state = model.initial_state(2, 2, 129)
    assert torch.equal(model(changed, state)[0][..., -1], model(spec, state)[0][..., -1])
