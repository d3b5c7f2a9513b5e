from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from audioae.denoisers.denoiser import Denoiser
from audioae.modelfile import save_bundle
from audioae.recipe import Recipe
from audioae.settings.config import parse


@pytest.fixture
def untrained(tmp_path: Path) -> Callable[[str, str], Path]:
    """The bundle of a model by its name and the text of its recipe, with the weights that training begins with."""

    def make(name: str, text: str) -> Path:
        torch.manual_seed(0)
        path = tmp_path / f"{name}.safetensors"
        save_bundle(path, Denoiser(parse(Recipe, text, "test")))
        return path

    return make
