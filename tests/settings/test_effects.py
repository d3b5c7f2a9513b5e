"""Every setting of a model and every option of a loss has an effect. They are found in the schema, not listed."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor

from audioae import family
from audioae.autoencoders.models import autoencoder
from audioae.generators.losses import CriticOutput
from audioae.nn.settings import ModelConfig
from audioae.settings.config import Config, ValidationError
from audioae.settings.registry import find, kinds, model_packages
from tests.altered import altered

RATE = 16_000
SETTINGS = [(kind, name) for kind in kinds(*model_packages()) for name in find(kind, *model_packages()).Config.model_fields]
OPTIONS = [
    (loss, option)
    for loss in sorted(family.losses())
    for option in family.options_of_loss(loss).model_fields
    if option != "weight"
]


def others(config: Config, name: str) -> Iterator[Any]:
    """Valid settings that differ in one of them."""
    for value in altered(getattr(config, name), type(config).model_fields[name].annotation):
        try:
            changed = type(config).model_validate(dict(config) | {name: value})
        except ValidationError:
            continue
        if changed != config:
            yield changed


def filled(module: torch.nn.Module) -> torch.nn.Module:
    """The module with random weights, because denoisers begin as the identity."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                value.add_(torch.randn(value.shape, generator=generator) * (0.05 if value.ndim > 1 else 0.01))
            if name.endswith("running_var"):
                value.abs_()
    return module


def speech() -> Tensor:
    """A wave ``(1, N)`` of half a second, with a varying level and a varying constant offset."""
    time = torch.arange(RATE // 2) / RATE
    noise = torch.randn(1, len(time), generator=torch.Generator().manual_seed(1))
    return 0.1 * (1.1 + torch.sin(12 * time)) * noise + 0.2 * time


@lru_cache(maxsize=4)  # the usual settings are compared with many others
def sizes(config: ModelConfig) -> Any:
    """Latency, classes, and the shapes of all weights."""
    module = find(config.kind, f"{config.family}.models")
    parts = [module.Model(config), *([module.Critic(config)] if hasattr(module, "Critic") else [])]
    shapes = [{name: value.shape for name, value in part.state_dict().items()} for part in parts]
    return config.latency, getattr(config, "classes", ()), shapes


@lru_cache(maxsize=4)
def results(config: ModelConfig) -> list[Tensor]:
    """Results of a model with random weights."""
    torch.manual_seed(0)
    model: Any = family.every_family()[config.family].model_class(config)
    network: Any = filled(model.network).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        if config.family == "generators":
            numbers = network.draw(2)
            return [numbers, network(numbers, torch.zeros(2, dtype=torch.long) if network.config.classes else None)]
        if config.family == "classifiers":
            spec = model.transform(RATE)(speech()[None].repeat(4, 1, 1))[:, 0]
            return [network.train()(network.patches(spec))]
        codes = [model.patches(speech(), RATE).values] if config.family == "autoencoders" else []
        return [model(speech(), RATE), *codes]


def differ(one: ModelConfig, other: ModelConfig) -> bool:
    return sizes(one) != sizes(other) or any(
        a.shape != b.shape or not torch.allclose(a, b, rtol=1e-4, atol=1e-6)
        for a, b in zip(results(one), results(other), strict=True)
    )


def contexts(config: ModelConfig, name: str) -> Iterator[ModelConfig]:
    """The settings, and variants with another value of one other setting. Settings that depend on each other are adjacent
    in the schema, so that the nearest come first."""
    yield config
    names = list(type(config).model_fields)
    for owner in sorted(names, key=lambda each: abs(names.index(each) - names.index(name)))[1:]:
        yield from others(config, owner)


@pytest.mark.parametrize(("kind", "name"), SETTINGS, ids=map(".".join, SETTINGS))
def test_every_setting_of_a_model_has_an_effect(kind: str, name: str) -> None:
    usual = find(kind, *model_packages()).Config()
    possible = 0
    for config in contexts(usual, name):
        for other in others(config, name):
            possible += 1
            if differ(config, other):
                return
    assert not possible, f"none of {possible} values changes sizes, results or latency"
    # Conditional generators inherit `groups`, which exclude `classes`.
    assert name in {n for base in type(usual).__mro__[1:] for n in getattr(base, "model_fields", {})}


def arguments(loss: str) -> Iterator[tuple[Any, ...]]:
    """Arguments for a loss, several times."""
    owner = next(each.name for each in family.every_family().values() if loss in each.losses)
    draw = torch.Generator().manual_seed(0)
    if owner == "denoisers":
        target, noise = (0.1 * torch.randn(2, 1, RATE, generator=draw) for _ in range(2))
        yield target + 0.3 * noise, target, RATE
        yield target * torch.linspace(0, 1, RATE), target, RATE
    elif owner == "autoencoders":
        for options in ({"activation": "sigmoid"}, {"variational": True}):
            config = autoencoder.Config.model_validate({"widths": (8,), "strides": (2,), "code": 4} | options)
            network = filled(autoencoder.Model(config)).eval()
            patches = torch.randn(6, 64, 16, generator=draw)
            yield (network.autoencode(patches, patches),)
    elif owner == "generators":
        real, fake = torch.randn(2, 5, 1, 4, 3, generator=draw).unbind()
        yield (CriticOutput(fake.sum((1, 2, 3)), real.sum((1, 2, 3)), fake, real, lambda images: images.sum((1, 2, 3))),)
    else:
        yield torch.randn(3, 4, generator=draw), torch.tensor([0, 1, 2])


@pytest.mark.parametrize(("loss", "option"), OPTIONS, ids=map(".".join, OPTIONS))
def test_every_option_of_a_loss_has_an_effect(loss: str, option: str) -> None:
    usual = family.options_of_loss(loss)()

    def value(settings: Config, given: tuple[Any, ...]) -> Tensor:
        torch.manual_seed(0)
        return family.weighted_sum({loss: settings}, given)[0]

    for given in arguments(loss):
        before = value(usual, given)
        if any(not torch.allclose(before, value(other, given), rtol=1e-4) for other in others(usual, option)):
            return
    pytest.fail("no value changes the loss")
