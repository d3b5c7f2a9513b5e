"""The data section rejects mistakes before a training starts."""

import pytest

from audioae.data.config import DataConfig
from audioae.errors import RecipeError
from audioae.recipe import Recipe
from audioae.settings.config import load, parse


@pytest.mark.parametrize(
    ("section", "low", "high"),
    [
        ("snr", "lowest: -4.0", "highest: -5.0"),
        ("level", "lowest: -20.0", "highest: -30.0"),
        ("band_limit", "lowest: 5000.0", "highest: 4000.0"),
        ("reverb", "shortest: 0.9", "longest: 0.8"),
        ("babble", "fewest: 9", "most: 8"),
    ],
)
def test_limits_must_be_in_order(section: str, low: str, high: str) -> None:
    parse(DataConfig, f"augment: {{{section}: {{{high}}}}}", "test")
    names = [end.partition(":")[0] for end in (low, high)]
    with pytest.raises(RecipeError, match=f"augment.{section}: .*`{names[0]}` should not be above `{names[1]}`"):
        parse(DataConfig, f"augment: {{{section}: {{{low}, {high}}}}}", "test")


@pytest.mark.usefixtures("root")
def test_seeds_are_bounded() -> None:
    assert load(Recipe, "recipes/conv_dae.yaml", [f"seed={2**63 - 1}"]).seed == 2**63 - 1
    with pytest.raises(RecipeError, match="seed: "):
        load(Recipe, "recipes/conv_dae.yaml", [f"seed={2**63}"])
