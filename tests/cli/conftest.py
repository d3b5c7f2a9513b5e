from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from audioae.family import every_family
from audioae.modelfile import save_model
from audioae.recipe import Recipe
from audioae.settings.config import dump, parse


@pytest.fixture
def untrained(tmp_path: Path) -> Callable[[str, str], Path]:
    """The model file of a model by its name and the text of its recipe, with the weights that training begins with."""

    def make(name: str, text: str) -> Path:
        torch.manual_seed(0)
        path = tmp_path / f"{name}.safetensors"
        recipe = parse(Recipe, text, "test")
        model = every_family()[recipe.model.family].model_class(recipe.model)
        model.recipe_text = dump(recipe)
        save_model(path, model)
        return path

    return make
