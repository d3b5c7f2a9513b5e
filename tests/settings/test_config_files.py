from pathlib import Path
from typing import Any

import pytest

from audioae.errors import RecipeError
from audioae.settings.config import Config, load


class Recipe(Config):
    seed: int
    name: str = "x"
    rate: float = 1e-3


def test_a_file_is_read_with_its_name_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "größe.yaml"
    path.write_bytes(b"\xef\xbb\xbfseed: 1\nname: gr\xc3\xbcn\n")
    assert load(Recipe, path, ["rate=3"]) == Recipe(seed=1, name="grün", rate=3.0)
    path.write_text("seed: x")
    with pytest.raises(RecipeError, match=f'^{path}:1:7: seed: should be a whole number, not "x"$'):
        load(Recipe, path)


def test_unusable_recipe_files_are_rejected_by_name(tmp_path: Path) -> None:
    def refusal(path: Path) -> Any:
        return pytest.raises(RecipeError, match=f"^{path}")

    binary, long = tmp_path / "binary.yaml", tmp_path / "long.yaml"
    binary.write_bytes(bytes(range(256)))
    long.write_bytes(b"#" * 5_000_000)
    for path in (tmp_path / "missing.yaml", tmp_path, binary, long, Path("/dev/zero")):
        with refusal(path):
            load(Recipe, path)
