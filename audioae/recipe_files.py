"""Recipes by name: the YAML files of the package.

They are stored in the folder ``recipes/`` of the repository. ``.hatch_build.py`` copies them into wheels; editable installs
read them from the repository.
"""

import re
from pathlib import Path

from audioae.errors import RecipeError
from audioae.settings.registry import did_you_mean

IN_PACKAGE = Path(__file__).parent / "recipes"
IN_CHECKOUT = Path(__file__).parent.parent / "recipes"
ENDING = ".yaml"
DEFAULT = "conv_dae_offline"
"""Name of the default model and of its recipe."""


def folder() -> Path:
    """The folder that holds the recipes of the package."""
    return IN_PACKAGE if IN_PACKAGE.is_dir() else IN_CHECKOUT


def names() -> list[str]:
    """Names of the recipes of the package, sorted.

    >>> "conv_dae" in names()
    True
    """
    return sorted(path.stem for path in folder().glob(f"*{ENDING}"))


def locate(name_or_path: str | Path) -> Path:
    """The file of a recipe, by its path or by its name in the package. A file that exists is preferred to a name.

    Raises:
        RecipeError: neither a file nor a name.

    >>> locate("conv_dae").name
    'conv_dae.yaml'
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    known = names()
    if str(name_or_path).removesuffix(ENDING) in known:
        return folder() / f"{path.name.removesuffix(ENDING)}{ENDING}"
    if path.is_dir():
        raise RecipeError(f"{path}: is a folder: give the YAML file in it")
    if path.stem in known:
        raise RecipeError(f"{path}: no such file; the package has a recipe of that name: give {path.stem}")
    raise RecipeError(
        f"{path}: no such file, nor a recipe of the package ({', '.join(known)}){did_you_mean(path.stem, known)}"
    )


def summary(path: Path) -> str:
    """The first sentence of a recipe's first comment; empty without a comment."""
    comment = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    return re.split(r"(?<=\.)\s", " ".join(comment), maxsplit=1)[0]
