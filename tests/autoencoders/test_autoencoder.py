"""The autoencoder of patches: shapes, gradients, kinds of bottlenecks, and invalid settings."""

from typing import Any

import numpy as np
import pytest
import scipy
import torch

from audioae.autoencoders.models.autoencoder import Config, Model
from audioae.errors import RecipeError
from audioae.recipe import Recipe
from audioae.settings.config import parse

KINDS: list[dict[str, Any]] = [
    {},
    {"backbone": "1d"},
    {"widths": (), "strides": ()},
    {"widths": (8,), "strides": (4,), "kernel": 3, "code": 5},
    {"features": "log_magnitude", "rate": 8000},
    {"activation": "sigmoid", "shortcut": False},
    {"activation": "relu"},
    {"activation": "shrink"},
    {"top_k": 3},
    {"variational": True},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_shapes_and_gradients_that_reach_every_parameter(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = Model(Config(**options)).train()
    patches = torch.randn(40, model.features.bands, model.config.frames)
    passed = model.autoencode(patches, patches)
    assert passed.output.shape == patches.shape
    assert passed.code is not None and passed.code.shape == (40, model.config.code)
    assert model.decode(model.encode(patches)).shape == patches.shape
    loss = (passed.output - patches).square().mean()
    if passed.log_variance is not None:
        loss = loss + passed.log_variance.mean()
    loss.backward()
    for name, value in model.named_parameters():
        assert value.grad is not None and torch.isfinite(value.grad).all() and value.grad.abs().max() > 0, name


@pytest.mark.parametrize("backbone", ["1d", "2d"])
def test_every_depth_of_the_stack_reconstructs_patches(backbone: str) -> None:
    model = Model(Config(backbone=backbone))
    patches = torch.randn(4, 64, 16)
    for depth in (1, 2, 3):
        passed = model.autoencode(patches, patches, depth)
        assert passed.output.shape == patches.shape and passed.code is None


def test_bottlenecks_satisfy_their_definitions() -> None:
    patches = torch.randn(30, 64, 16)
    code = Model(Config(top_k=3)).encode(patches)
    assert ((code != 0).sum(1) == 3).all()
    code = Model(Config(activation="sigmoid")).encode(patches)
    assert (code > 0).all() and (code < 1).all()
    variational = Model(Config(variational=True))
    drawn = [variational.train().autoencode(patches, patches).code for _ in range(2)]
    assert not torch.equal(*drawn)
    steady = [variational.eval().autoencode(patches, patches).code for _ in range(2)]
    assert torch.equal(*steady)


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"activation": "shrink"}, {"top_k": 3}], ids=str)
def test_inactive_units_get_a_gradient_and_do_not_change_the_output(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = Model(Config(**options))
    patches = torch.randn(20, 64, 16)
    assert torch.equal(model.train().encode(patches), model.eval().encode(patches))
    model.train().autoencode(patches, patches).code.sum().backward()
    trained = model.to_code.bias.grad.clone()
    model.zero_grad()
    model.eval().autoencode(patches, patches).code.sum().backward()
    off = (model.encode(patches) == 0).sum(0)
    assert torch.allclose(trained - model.to_code.bias.grad, 0.03 * off, atol=1e-4) and (off > 0).any()


def test_training_begins_with_the_principal_components_of_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(500, 20, generator=generator)
    patches = (hidden @ torch.randn(20, 32, generator=generator)).view(500, 8, 4)
    patches -= patches.mean(0)
    model = Model(Config(bands=8, frames=4, widths=(4,), strides=(2,), kernel=3, code=5)).eval()
    model.begin_with_components(patches)
    flat = patches.flatten(1).numpy()
    u, s, vt = scipy.linalg.svd(flat, full_matrices=False)
    passed = model.autoencode(patches, patches)
    assert np.abs(passed.output.detach().flatten(1).numpy() - (u[:, :5] * s[:5]) @ vt[:5]).max() < 1e-3
    assert (passed.code.detach().var(0) - 1).abs().max() < 0.01
    passed.output.square().sum().backward()
    assert model.stack.levels[0].up.weight.grad.abs().max() > 0  # and goes on from there


def test_codes_do_not_depend_on_the_level() -> None:
    model = Model(Config()).eval()
    spec = torch.randn(2, 257, 64, dtype=torch.complex64)
    loud, quiet = (model.patches(g * spec, model.features.level(g * spec)) for g in (1.0, 1e-3))
    assert loud.shape == (2, 4, 64, 16) and torch.allclose(loud, quiet, atol=1e-3)


RECIPE = """model: {{kind: autoencoder{model}}}
losses: {{reconstruction_mse: 1{losses}}}
valid: {{measures: [{measures}], best: {measures}}}
"""


def recipe(model: str = "", losses: str = "", measures: str = "reconstruction_error", *overrides: str) -> Recipe:
    return parse(Recipe, RECIPE.format(model=model, losses=losses, measures=measures), "r.yaml", overrides)


@pytest.mark.parametrize(
    ("model", "losses", "told"),
    [
        (", code: 0", "", "r.yaml:1:34: model.code: should be greater"),
        (", strides: [2]", "", "`strides` holds 1 numbers: give 3"),
        (", frames: 12", "", "`frames` is 12, which the product of `strides`, 8, does not divide"),
        (", kernel: 4", "", "`kernel` is 4: give an odd number"),
        (", top_k: 32", "", "`top_k` should be below `code`"),
        (", variational: true, activation: relu", "", "leave `activation` and `top_k` out"),
        (", activation: sigmoid", ", kl_sparsity: {rho: 1.5}", "r.yaml:2:52: losses.kl_sparsity.rho: should be less"),
        (", activation: sigmoid", ", kl_sparsity: {weight: -1}", "losses.kl_sparsity.weight: "),
        (", variational: true", ", kl_prior: -2", "r.yaml:2:43: losses.kl_prior: should be greater"),
        ("", ", kl_sparsity: 1", "set `model.activation: sigmoid`"),
        ("", ", kl_prior: 1", "set `model.variational: true`"),
        ("", ", si_sdr: 1", "losses.si_sdr: not for `model.kind: autoencoder`"),
    ],
)
def test_invalid_values_are_rejected_with_their_place(model: str, losses: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(model, losses)
    assert told in str(caught.value)


def test_settings_of_other_families_are_rejected() -> None:
    assert recipe().model.family == "autoencoders"
    with pytest.raises(RecipeError, match=r"give 4, one more than `widths`"):
        recipe("", "", "reconstruction_error", "train.stages=[5,5]")
    text = "model: {kind: conv_dae}\nlosses: {si_sdr: 1, contractive: 1}\ncorruption: {masking: 0.1}\n"
    with pytest.raises(RecipeError, match=r"losses.contractive, corruption: not for `model.kind: conv_dae`"):
        parse(Recipe, text, "r.yaml", ["model.channels=8"])
