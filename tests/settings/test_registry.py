import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audioae.errors import RecipeError
from audioae.settings.registry import did_you_mean, find, kinds


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package ``audioae.zoo`` with the kinds cat and dog, a helper, and things that are not modules."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    for name in ("__init__", "dog", "cat", "_helper", "not-a-name"):
        (folder / f"{name}.py").write_text(f"NAME = {name!r}\n")
    (folder / "notes.txt").write_text("")
    (tmp_path / "outside.py").write_text("raise SystemExit('imported from outside')\n")
    parent = importlib.import_module("audioae")
    monkeypatch.setattr(parent, "__path__", [*parent.__path__, str(tmp_path)])
    yield folder
    for name in [name for name in sys.modules if name.partition(".zoo")[0] == "audioae" and ".zoo" in name]:
        del sys.modules[name]
    vars(parent).pop("zoo", None)


@pytest.mark.usefixtures("zoo")
def test_kinds_are_the_public_modules_sorted_and_unimported() -> None:
    assert kinds("zoo") == ["cat", "dog"]
    assert not {"audioae.zoo.cat", "audioae.zoo.dog"} & set(sys.modules)


@pytest.mark.usefixtures("zoo")
def test_every_kind_is_found_by_its_name() -> None:
    assert [find(kind, "zoo").NAME for kind in kinds("zoo")] == ["cat", "dog"]


def test_a_new_file_is_a_new_kind(zoo: Path) -> None:
    (zoo / "emu.py").write_text("NAME = 'emu'\n")
    importlib.invalidate_caches()
    assert kinds("zoo") == ["cat", "dog", "emu"]


@pytest.mark.usefixtures("zoo")
def test_an_unknown_kind_names_all_there_are_and_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"^unknown kind 'dgo' \(there are: cat, dog\); did you mean 'dog'\?$"):
        find("dgo", "zoo")


@pytest.mark.usefixtures("zoo")
@pytest.mark.parametrize(
    "name",
    ["", ".", "..outside", "../outside", "cat.NAME", "_helper", "__init__", "not-a-name", "/cat", "cat\0"],
)
def test_only_listed_names_are_imported(name: str) -> None:
    before = set(sys.modules)
    with pytest.raises(RecipeError, match="there are: cat, dog"):
        find(name, "zoo")
    assert set(sys.modules) - before <= {"audioae.zoo"}


def test_there_is_no_suggestion_for_dissimilar_words() -> None:
    assert did_you_mean("zebra", ["cat", "dog"]) == ""
    assert did_you_mean("cta", ["cat", "dog"]) == "; did you mean 'cat'?"
