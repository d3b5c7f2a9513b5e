"""The classifier: shapes, gradients, invalid settings."""

import pytest
import torch

from audioae.classifiers.classifier import Classifier
from audioae.classifiers.models.classifier import Config, Model
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import ModelFileError, RecipeError
from audioae.recipe import Recipe
from audioae.runtime.loading import of_family
from audioae.settings.config import parse

RECIPE = """
model: {kind: classifier, classes: ["0", "1"]}
data: {clean: [samples/digits], crop: clip, label: 0, augment: {noise_only: 0}}
losses: {cross_entropy: 1}
valid: {clean: [samples/digits], measures: [accuracy], best: accuracy}
"""


def test_shapes_and_gradients_that_reach_every_parameter() -> None:
    torch.manual_seed(0)
    model = Model(Config(classes=("a", "b", "c"), embedding=7)).train()
    patches = torch.randn(12, 64, 64)
    assert model.embed(patches).shape == (12, 7)
    logits = model(patches)
    assert logits.shape == (12, 3)
    logits.logsumexp(1).sum().backward()
    for name, value in model.named_parameters():
        assert value.grad is not None and torch.isfinite(value.grad).all() and value.grad.abs().max() > 0, name


@pytest.mark.parametrize("frames", [3, 64, 200])
def test_recordings_of_any_length_are_one_patch_and_their_level_does_not_matter(frames: int) -> None:
    model = Model(Config())
    spec = torch.randn(2, 129, frames, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    patches = model.patches(spec)
    assert patches.shape == (2, 64, 64)
    assert torch.allclose(patches, model.patches(spec * 0.01), atol=1e-3)
    assert torch.equal(patches, model.patches(spec[..., :64]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("model.classes=[a]", "model.classes"),
        ("model.classes=[a,a]", "holds a name twice"),
        ("data.label=null", "a classifier needs `data.label`"),
        ("data.crop=stream", "`label` needs `crop: clip`"),
        ("data.augment.noise_only=0.1", "`augment.noise_only: 0`"),
        ("valid.clean=[]", "`valid.clean` to be measured on"),
        ("valid.measures=[accuracy,si_sdr]", "valid.measures: si_sdr: not for `model.kind: classifier`"),
        ("losses.cross_entropy.smoothing=1", "losses.cross_entropy.smoothing"),
    ],
)
def test_bad_settings_are_rejected(change: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse(Recipe, RECIPE, "r.yaml", [change])
    assert told in str(caught.value)


def test_a_classifier_has_only_methods_of_classifiers() -> None:
    model = Classifier(parse(Recipe, RECIPE, "r.yaml").model, "mine")
    assert not any(hasattr(model, verb) for verb in ("encode", "generate", "step", "clean"))
    with pytest.raises(ModelFileError, match="mine: is a classifier, which does not remove noise: give a denoiser"):
        of_family(model, Denoiser)
