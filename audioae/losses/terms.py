"""All training losses by name, for the ``losses`` section of a recipe."""

from collections.abc import Callable, Mapping
from inspect import getmembers, isfunction
from typing import Any

from torch import Tensor

from audioae.config import Config, options_of
from audioae.losses import perceptual, spectral, temporal

Loss = Callable[..., Tensor]

TERMS: dict[str, Loss] = {
    name: function
    for module in (perceptual, spectral, temporal)
    for name, function in getmembers(module, isfunction)
    if not name.startswith("_") and function.__module__ == module.__name__
}
"""Name to function ``(estimate, target, rate, **options) -> scalar``: every public function of the loss modules."""


def schema_of(name: str) -> type[Config]:
    """Options of the term: its ``weight`` and the function's own."""
    return options_of(TERMS[name])


def total(terms: Mapping[str, Config], estimate: Tensor, target: Tensor, rate: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of the terms and each one unweighted.

    >>> import torch
    >>> wave = torch.zeros(1, 1, 100)
    >>> total({"l1": schema_of("l1")(weight=2.0)}, wave + 1, wave, 16000)
    (tensor(2.), {'l1': tensor(1.)})
    """
    values: dict[str, Tensor] = {}
    result = estimate.new_zeros(())
    for name, settings in terms.items():
        options: dict[str, Any] = settings.model_dump()
        weight = options.pop("weight")
        value = TERMS[name](estimate, target, rate, **options)
        values[name] = value.detach()
        result = result + weight * value
    return result, values
