"""Recipes by name and by path."""

from pathlib import Path

import pytest

from audioae import recipe_files
from audioae.errors import RecipeError


def test_names_file_names_and_paths_are_equivalent(root: Path) -> None:
    for given in ("conv_dae", "conv_dae.yaml", "recipes/conv_dae.yaml", root / "recipes/conv_dae.yaml"):
        assert recipe_files.locate(given).resolve() == root / "recipes/conv_dae.yaml"


def test_a_file_is_preferred_to_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conv_dae").mkdir()  # a folder is no recipe
    assert recipe_files.locate("conv_dae").parent == recipe_files.folder()
    (tmp_path / "conv_dae.yaml").write_text("# Mine.\n")
    assert recipe_files.locate("conv_dae.yaml") == Path("conv_dae.yaml")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("conv_day", "did you mean 'conv_dae'?"),
        ("recipes/conv_dae.yaml", "give conv_dae"),
        ("../conv_dae", "give conv_dae"),
        (".", "is a folder"),
    ],
)
def test_unknown_names_are_rejected_in_one_line(
    given: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError) as error:
        recipe_files.locate(given)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_summary_is_the_first_sentence_of_the_first_comment(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("# A model of 1.5 M values,\n# for me. It is mine.\n\n# Not this.\nseed: 1\n")
    assert recipe_files.summary(path) == "A model of 1.5 M values, for me."
    path.write_text("seed: 1\n")
    assert recipe_files.summary(path) == ""
