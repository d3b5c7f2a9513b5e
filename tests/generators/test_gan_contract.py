"""Laws for every kind of generator. The kinds are found, not listed."""

import pytest
import torch

from audioae.generators.models import lapgan
from audioae.settings.registry import find, kinds

KINDS = kinds("generators.models")
GROUPED = [kind for kind in KINDS if not find(kind, "generators.models").Config().classes]


def built(kind: str, **options: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(0)
    module = find(kind, "generators.models")
    config = module.Config(**options)
    return module.Model(config), module.Critic(config)


def labels(model: torch.nn.Module, count: int) -> torch.Tensor | None:
    return torch.arange(count) % len(model.config.classes) if model.config.classes else None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate,frames", [(8000, 64), (16000, 32)])
def test_images_are_of_the_codecs_size_and_within_its_range(kind: str, rate: int, frames: int) -> None:
    model, _ = built(kind, rate=rate, frames=frames)
    images = model(model.draw(3), labels(model, 3))
    assert images.shape == (3, 1, round(0.016 * rate), frames)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter_of_generator_and_critic(kind: str) -> None:
    model, critic = built(kind)
    pairs = model.image_pairs(torch.rand(4, 1, 128, 64) * 2 - 1, model.draw(4), labels(model, 4))
    for image in (True, False):
        for pair in pairs:
            critic(pair.real if image else pair.fake, labels=labels(model, 4), level=pair.level).sum().backward(
                retain_graph=True
            )
    for player in (model, critic):
        for name, value in player.named_parameters():
            assert value.grad is not None and torch.isfinite(value.grad).all(), name


@pytest.mark.parametrize("kind", KINDS)
def test_draws_depend_on_the_seed_and_respect_the_truncation(kind: str) -> None:
    model, _ = built(kind)
    first, again, other = (model.draw(50, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    near = model.draw(50, torch.Generator().manual_seed(1), truncation=0.5)
    assert 0.45 < near.abs().max() <= 0.5
    assert near.mean().abs() < 0.05


def test_a_label_changes_what_is_drawn() -> None:
    model, critic = built("cgan")
    numbers = model.draw(2)
    zero, one = (model(numbers, torch.full((2,), place)) for place in (0, 1))
    assert not torch.allclose(zero, one)
    scores = [critic(zero, labels=torch.full((2,), place)) for place in (0, 1)]
    assert not torch.allclose(*scores)


@pytest.mark.parametrize("kind", GROUPED)
def test_the_last_random_number_selects_the_group(kind: str) -> None:
    model, critic = built(kind, groups=3)
    model.eval()
    numbers = model.draw(3)
    assert numbers.shape[1] == built(kind)[0].draw(1).shape[1] + 1
    numbers[:] = numbers[:1]
    numbers[:, -1] = torch.tensor([-2.0, 0.0, 2.0])
    images = model(numbers)
    assert not torch.allclose(images[0], images[1]) and not torch.allclose(images[1], images[2])
    assert torch.allclose(model(numbers[:1].expand(3, -1), torch.arange(3)), images, atol=1e-6)
    # All groups are drawn, also with truncated numbers.
    near = model.draw(500, torch.Generator().manual_seed(0), truncation=0.5)
    assert near[:, :-1].abs().max() <= 0.5 and model.groups.drawn(near[:, -1]).unique().tolist() == [0, 1, 2]
    pairs = model.image_pairs(torch.rand(3, 1, 128, 64) * 2 - 1, model.draw(3), torch.arange(3))
    for pair in pairs:
        scores = [critic(pair.real, labels=torch.full((3,), place), level=pair.level) for place in (0, 1)]
        assert not torch.allclose(*scores)


def test_perceptrons_are_initialised_by_principal_components() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = 0.3 * torch.randn(3, 128 * 64, generator=generator)
    mean = torch.linspace(-1.2, 0.3, 128 * 64)
    before = mean + torch.randn(100, 3, generator=generator) @ shapes
    model, _ = built("vanilla_gan", widths=(32, 16))
    model.begin_with((1.1 * before.tanh()).clamp(-1, 1).view(100, 1, 128, 64), seed=0)
    drawn = (model(model.draw(400, generator)).flatten(1) / 1.1).atanh()
    seen = (before.tanh().clamp(-1 / 1.1, 1 / 1.1)).atanh()
    assert (drawn.mean(0) - seen.mean(0)).abs().mean() < 0.1
    assert 0.4 < drawn.var(0).sum() / seen.var(0).sum() < 2
    # Drawn images lie in the span of the components.
    plane = torch.linalg.svd(seen - seen.mean(0), full_matrices=False)[2][:16]
    apart = drawn - seen.mean(0)
    assert (apart - apart @ plane.T @ plane).square().sum() < 0.2 * apart.square().sum()


def test_groups_beside_classes_are_rejected() -> None:
    with pytest.raises(ValueError, match="take the place of `classes`"):
        built("cgan", groups=3)


def test_each_level_of_the_pyramid_adds_to_the_level_below() -> None:
    model, _ = built("lapgan")
    model.eval()
    numbers = model.draw(2)
    shapes = [tuple(model(numbers, levels=n).shape[2:]) for n in (1, 2, 3, 4)]
    assert shapes == [(16, 8), (32, 16), (64, 32), (128, 64)]
    assert torch.equal(model(numbers, levels=4), model(numbers))
    # A level that adds nothing gives the enlarged image back.
    for level in model.levels[1:]:
        torch.nn.init.zeros_(level.draw_last.weight)
        torch.nn.init.zeros_(level.draw_last.bias)
    assert torch.allclose(model(numbers, levels=2), lapgan.expand(model(numbers, levels=1)).clamp(-1, 1), atol=1e-6)


def test_the_noise_of_the_last_level_can_be_turned_off() -> None:
    model, _ = built("lapgan", detail=0.0)
    model.eval()
    numbers = model.draw(2)
    other = numbers.clone()
    other[:, -model.sizes[-1] :] += 1
    assert torch.equal(model(numbers), model(other))
    # Training uses all of it.
    real = torch.rand(2, 1, 128, 64) * 2 - 1
    played, again = (model.image_pairs(real, n, None)[-1].fake for n in (numbers, other))
    assert not torch.allclose(played, again)


def test_sizes_that_cannot_be_halved_are_rejected() -> None:
    with pytest.raises(ValueError, match="cannot be halved"):
        built("dcgan", frames=40)
    with pytest.raises(ValueError, match="holds a name twice"):
        built("cgan", classes=("a", "a"))
