"""``train.only`` trains the parameters that it names, and keeps all others."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audioae.errors import RecipeError
from audioae.recipe import Recipe
from audioae.settings.config import parse
from audioae.train.trainer import train

TEXT = """
model: {kind: conv_dae, channels: 8, dilations: [1, 2]}
data: {seconds: 0.5, batch_size: 2, other_share: 0}
losses: {sd_sdr: 1}
train: {steps: 2, warmup: 0, workers: 0, threads: 1}
valid: {at_most: 1, measures: [si_sdr]}
"""
pytestmark = pytest.mark.usefixtures("root")


def trained(out: Path, *overrides: str) -> dict[str, torch.Tensor]:
    train(parse(Recipe, TEXT, "test", list(overrides)), out, device="cpu")
    return load_file(out / "last.safetensors")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_all_other_parameters_stay_as_they_were(optimizer: str, tmp_path: Path) -> None:
    first = trained(tmp_path / "first")
    grown = ["model.learned_past=true", f"train.init={tmp_path}/first/last.safetensors", f"train.optimizer={optimizer}"]
    frozen = ["train.freeze_statistics=true", "train.only=[before, decoder.bias]"]
    second = trained(tmp_path / "second", *grown, *frozen)
    kept = {name for name, value in first.items() if torch.equal(second[name], value)}
    assert first.keys() - kept == {"decoder.bias"}
    added = second.keys() - first.keys()
    assert added == {"blocks.0.time.before", "blocks.1.time.before"}
    assert all(second[name].any() for name in added)


def test_a_model_without_a_learned_past_takes_all_other_weights(tmp_path: Path) -> None:
    first = trained(tmp_path / "first", "model.learned_past=true")
    init = f"train.init={tmp_path}/first/last.safetensors"
    second = trained(tmp_path / "second", init, "train.freeze_statistics=true", "train.only=[decoder.bias]")
    assert first.keys() - second.keys() == {"blocks.0.time.before", "blocks.1.time.before"}
    assert {name for name in second if not torch.equal(first[name], second[name])} == {"decoder.bias"}


def test_names_that_no_parameter_has_are_rejected(tmp_path: Path) -> None:
    trained(tmp_path / "first")
    with pytest.raises(RecipeError, match=r"train\.only: no parameter of the model has 'bevor' in its name"):
        trained(tmp_path / "second", f"train.init={tmp_path}/first/last.safetensors", "train.only=[bevor]")


def test_it_needs_weights_to_keep() -> None:
    with pytest.raises(RecipeError, match="`only` needs `init`"):
        parse(Recipe, TEXT, "test", ["train.only=[before]"])
