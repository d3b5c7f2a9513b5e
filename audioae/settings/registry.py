"""Look-up of families and model kinds by the names of folders and files.

A folder of the package with a folder ``models`` is a family, and each file in ``models`` is a model kind:
``denoisers/models/conv_dae.py`` is the kind ``conv_dae`` of the family ``denoisers``. Modules named ``_something`` are
helpers, not kinds.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from inspect import getmembers, isfunction
from pathlib import Path
from types import ModuleType
from typing import Any

from audioae.errors import RecipeError


@cache
def families() -> tuple[str, ...]:
    """Names of all families, sorted, without importing them."""
    folders = importlib.import_module("audioae").__path__
    return tuple(sorted({path.parent.name for folder in folders for path in Path(folder).glob("*/models/")}))


def model_packages() -> tuple[str, ...]:
    """The packages that hold model kinds, such as ``denoisers.models``, for :func:`find` and :func:`kinds`."""
    return tuple(f"{family}.models" for family in families())


def kinds(*packages: str) -> list[str]:
    """Names of all kinds in ``audioae.<package>``, of one or several packages, sorted, without importing them."""
    return sorted(kind for package in packages for kind in _kinds(package))


def _kinds(package: str) -> list[str]:
    parent = importlib.import_module(f"audioae.{package}")
    names = (module.name for module in pkgutil.iter_modules(parent.__path__))
    return [name for name in names if name.isidentifier() and not name.startswith("_")]


def find(kind: str, *packages: str) -> ModuleType:
    """Import ``audioae.<package>.<kind>`` from the first package that has it.

    Only names that :func:`kinds` lists are imported, so that a recipe cannot import other modules.

    Raises:
        RecipeError: an unknown kind; the message lists the known ones.
    """
    for package in packages:
        if kind in _kinds(package):
            return importlib.import_module(f"audioae.{package}.{kind}")
    known = kinds(*packages)
    there_are = ", ".join(known) or "none"
    raise RecipeError(f"unknown kind {kind!r} (there are: {there_are}){did_you_mean(kind, known)}")


def public_functions(*modules: ModuleType) -> dict[str, Callable[..., Any]]:
    """Public functions that the modules define, by name."""
    return {
        name: function
        for module in modules
        for name, function in getmembers(module, isfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
    }


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggestion for a misspelt word, for the end of a message; empty if no known word is similar.

    >>> did_you_mean("chanels", ["channels", "kernel"])
    "; did you mean 'channels'?"
    >>> did_you_mean("zebra", ["channels", "kernel"])
    ''
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
