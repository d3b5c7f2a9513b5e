"""Laws for every kind of denoising model. The kinds are found, not listed, except for the ensemble, which is not a
single network; see :mod:`tests.denoisers.test_ensemble_dae`."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from audioae.settings.registry import find, kinds

AHEAD = "+look_ahead"
PACKAGES = ("denoisers.models", "autoencoders.models")
OF_SOUND = [kind for kind in kinds(*PACKAGES) if kind != "ensemble_dae"]
KINDS = [*OF_SOUND, *(k + AHEAD for k in OF_SOUND if "look_ahead" in find(k, *PACKAGES).Config.model_fields)]
BOTTLENECKS = kinds("autoencoders.models")
BINS = [129, 257, 769]


def built(kind: str) -> nn.Module:
    """A model before training, with its default sizes, or looking ahead by three frames and recurrent over frequency."""
    module = find(kind.removesuffix(AHEAD), *PACKAGES)
    if not kind.endswith(AHEAD):
        return module.Model(module.Config())
    ahead = (1, 1) + (0,) * (len(module.Config().dilations) - 2)
    return module.Model(module.Config(look_ahead=ahead, across_after=(1, 4), across_hidden=8))


def trained(kind: str) -> nn.Module:
    """A model with random weights in place of those that make it the identity."""
    torch.manual_seed(0)
    model = built(kind).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.add_(torch.randn(value.shape) * (0.05 if value.ndim > 1 else 0.01))
            if name.endswith("running_var"):
                value.abs_()
    return model.requires_grad_(False)


def spectrum(bins: int, frames: int, batch: int = 1, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, bins, frames, dtype=torch.complex64, generator=generator)


def run(model: nn.Module, spec: Tensor) -> Tensor:
    return model(spec, model.initial_state(spec.shape[0], spec.shape[1], spec.shape[2]))[0]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in BOTTLENECKS])
@pytest.mark.parametrize("bins", BINS)
def test_begins_as_the_identity(kind: str, bins: int) -> None:
    model = built(kind)
    spec = spectrum(bins, 20, 2, 2)
    spec[..., 0, :] = 0  # a recording without a constant offset, which would be removed
    late = pad(spec, (model.delay, 0))[..., :20]
    # A kind that adds copies begins with copies 80 dB below their source, from which training can raise them.
    nearly = 1e-5 if not hasattr(model, "added") else 1e-4 * float(spec.abs().max())
    for each in (model.train(), model.eval()):
        assert torch.allclose(run(each, spec), late, atol=nearly)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bins", BINS)
def test_frames_one_by_one_are_the_whole(kind: str, bins: int) -> None:
    model, spec = trained(kind), spectrum(bins, 40, 2, 2)
    whole = run(model, spec)
    state, parts = model.initial_state(2, 2, bins), []
    for piece in spec.split([1, 1, 7, 2, 20, 9], dim=-1):
        out, state = model(piece, state)
        parts.append(out)
    assert (torch.cat(parts, -1) - whole).abs().max() < 1e-5 * spec.abs().max()
    assert not torch.allclose(whole, spec, atol=1e-2)  # it does something


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_not_changed_and_keeps_its_shape(kind: str) -> None:
    model = trained(kind)
    before = model.initial_state(3, 1, 257)
    kept = {name: value.clone() for name, value in before.items()}
    first, after = model(spectrum(257, 5, 3), before)
    again, _ = model(spectrum(257, 5, 3), before)
    assert torch.equal(first, again)
    assert all(torch.equal(before[name], kept[name]) for name in kept)
    assert {n: v.shape for n, v in after.items()} == {n: v.shape for n, v in before.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_is_causal(kind: str) -> None:
    model, spec = trained(kind), spectrum(257, 30)
    changed = spec.clone()
    changed[..., 20:] *= -3
    assert torch.allclose(run(model, spec)[..., :20], run(model, changed)[..., :20], atol=1e-6)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.endswith(AHEAD)])
def test_look_ahead_equals_delay(kind: str) -> None:
    model, spec = trained(kind), spectrum(257, 30)
    assert model.delay == 3
    changed = spec.clone()
    changed[..., 20:] *= -3
    before, after = (run(model, each)[..., model.delay :] for each in (spec, changed))
    assert torch.allclose(before[..., :17], after[..., :17], atol=1e-6)
    assert not torch.allclose(before[..., 17], after[..., 17], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_receptive_field_is_finite_and_as_stated(kind: str) -> None:
    model = trained(kind)
    if model.receptive_field is None:  # a recurrent model depends on all earlier frames
        assert any(isinstance(part, nn.RNNBase) for part in model.modules())
        return
    frames = model.receptive_field + 4
    spec = spectrum(257, frames)
    changed = spec.clone()
    changed[..., :3] *= 5
    last = model.receptive_field + 2  # the first frame that no longer sees frame 2
    assert torch.allclose(run(model, spec)[..., last:], run(model, changed)[..., last:], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_mask_is_bounded_and_the_image_kept(kind: str) -> None:
    model = trained(kind)
    spec = spectrum(257, 30, 1, 1)
    spec[..., 0, :] = 0  # no constant offset
    stereo = torch.cat([spec, 0.5j * spec], dim=1)
    out = run(model, stereo)
    assert torch.allclose(out[:, 1], 0.5j * out[:, 0], atol=1e-5)
    late = pad(stereo, (model.delay, 0))[..., :30].abs()
    if hasattr(model, "added"):  # copies begin at 3.2 kHz
        out, late = out[:, :, :102], late[:, :, :102]
    assert (
        (out.abs() <= model.bound * late + 1e-5).all() if hasattr(model, "bound") else (out.abs() <= 2 * late + 1e-5).all()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_level_does_not_matter(kind: str) -> None:
    model, spec = trained(kind), spectrum(257, 60)
    assert torch.allclose(run(model, 1e-2 * spec), 1e-2 * run(model, spec), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_silent_and_gradients_finite(kind: str) -> None:
    model = built(kind).train()
    out = run(model, torch.zeros(2, 1, 257, 10, dtype=torch.complex64))
    assert (out == 0).all()
    run(model, spectrum(257, 10, 2)).abs().mean().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
