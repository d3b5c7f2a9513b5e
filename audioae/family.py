"""Model families, each found by its folder.

A family is a folder of the package with a folder ``models`` in it. It holds, by convention:

- ``models/KIND.py``: ``Config`` and ``Model``, the settings and the network of each kind;
- a module named like the family in the singular, with the class that :func:`audioae.load` returns: ``denoisers/denoiser.py``
  defines ``Denoiser``;
- ``settings.py``: ``problems(recipe)`` lists what is wrong with a recipe of this family;
- ``losses.py``, or modules in a folder ``losses``: every public function is a loss;
- ``measures.py``: every public function is a measure, and ``LOWER_IS_BETTER`` names those for which lower is better;
- ``task.py``: ``Task`` and ``Validation``, for training;
- ``evaluation.py``, for families with their own measures: ``rows`` and ``pictures`` of ``audioae evaluate``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor

from audioae.nn.trained import TrainedModel
from audioae.settings.config import Config, options_of
from audioae.settings.registry import families, public_functions

Loss = Callable[..., Tensor]


@dataclass(frozen=True)
class Family:
    """One model family. Its modules are imported on first use.

    Args:
        name: the folder's name, such as ``denoisers``.
    """

    name: str

    def module(self, name: str) -> ModuleType:
        """The module ``audioae.<family>.<name>``."""
        return import_module(f"audioae.{self.name}.{name}")

    def has(self, name: str) -> bool:
        """Whether the family has a module of this name."""
        return find_spec(f"audioae.{self.name}.{name}") is not None

    @property
    def singular(self) -> str:
        """Name of one model of the family, such as ``denoiser``."""
        return self.name.removesuffix("s")

    @property
    def model_class(self) -> type[TrainedModel]:
        """The class that :func:`audioae.load` returns for models of this family."""
        found: type[TrainedModel] = getattr(self.module(self.singular), self.singular.capitalize())
        return found

    @property
    def losses(self) -> dict[str, Loss]:
        """Name to function."""
        module = self.module("losses")
        names = [each.name for each in iter_modules(getattr(module, "__path__", [])) if not each.name.startswith("_")]
        return public_functions(module, *(self.module(f"losses.{name}") for name in names))

    @property
    def measures(self) -> dict[str, Callable[..., float]]:
        """Name to function: the functions in ``measures.py`` and in its ``MEASURES``, if it has such a table."""
        module = self.module("measures")
        return public_functions(module) | getattr(module, "MEASURES", {})

    @property
    def lower_is_better(self) -> frozenset[str]:
        """Names of measures for which lower is better."""
        found: frozenset[str] = self.module("measures").LOWER_IS_BETTER
        return found


@cache
def every_family() -> dict[str, Family]:
    """All families by name."""
    return {name: Family(name) for name in families()}


@cache
def losses() -> dict[str, Loss]:
    """The losses of all families by name."""
    return {name: loss for family in every_family().values() for name, loss in family.losses.items()}


@cache
def measures() -> tuple[str, ...]:
    """Names of the measures of all families."""
    return tuple(dict.fromkeys(name for family in every_family().values() for name in family.measures))


def options_of_loss(name: str) -> type[Config]:
    """Schema of a loss in a recipe: its ``weight`` and the options of the function itself."""
    return options_of(losses()[name])


def weighted_sum(
    terms: Mapping[str, Config], arguments: Iterable[Any] | Callable[[str], Iterable[Any]]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of loss terms, and each one unweighted.

    Args:
        terms: options by the name of the loss.
        arguments: of every loss, or a function from a loss's name to its arguments.

    >>> import torch
    >>> wave = torch.zeros(1, 1, 100)
    >>> weighted_sum({"l1": options_of_loss("l1")(weight=2.0)}, (wave + 1, wave, 16000))
    (tensor(2.), {'l1': tensor(1.)})
    """
    values: dict[str, Tensor] = {}
    total: Tensor | None = None
    for name, settings in terms.items():
        options: dict[str, Any] = settings.model_dump()
        weight = options.pop("weight")
        value = losses()[name](*(arguments(name) if callable(arguments) else arguments), **options)
        values[name] = value.detach()
        total = weight * value if total is None else total + weight * value
    assert total is not None, "a recipe has at least one loss"
    return total, values


def is_better(name: str, value: float, than: float | None) -> bool:
    """Whether a value of the measure is better than another; any number is better than None or NaN."""
    if than is None or np.isnan(than):
        return not np.isnan(value)
    lower = any(name in family.lower_is_better for family in every_family().values())
    return value < than if lower else value > than
