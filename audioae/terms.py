"""All training losses by name, for the ``losses`` section of a recipe, in four families.

``waves``: functions ``(estimate, target, rate, **options)`` of what denoisers give; ``codes``: functions ``(passed,
**options)`` of one way through an autoencoder; ``labels``: functions ``(logits, labels, **options)`` of classifiers;
``sounds``: functions ``(verdict, **options)`` of generators and their critics.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from audioae.autoencoders import losses as codes
from audioae.classifiers import losses as labels
from audioae.denoisers.losses import intelligibility, perceptual, spectral, temporal
from audioae.denoisers.losses._spectra import shared
from audioae.generators import losses as adversarial
from audioae.settings.config import Config, options_of
from audioae.settings.registry import public_functions

Loss = Callable[..., Tensor]


FAMILIES: dict[str, dict[str, Loss]] = {
    "waves": public_functions(intelligibility, perceptual, spectral, temporal),
    "codes": public_functions(codes),
    "labels": public_functions(labels),
    "sounds": public_functions(adversarial),
}
"""Family to name to function: every public function of the loss modules."""
TERMS: dict[str, Loss] = {name: function for family in FAMILIES.values() for name, function in family.items()}


SAMPLE_BY_SAMPLE = frozenset(public_functions(temporal))
"""Of waves, those that compare sample with sample, and so can be told by a teacher what to expect."""
PENALTIES = frozenset({"gradient_penalty", "real_gradient"})
"""Of a critic, which by themselves train nothing."""


def schema_of(name: str) -> type[Config]:
    """Options of the term: its ``weight`` and the function's own."""
    return options_of(TERMS[name])


def total(terms: Mapping[str, Config], *arguments: Any, told: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum of the terms, all of one family and given its ``arguments``, and each one unweighted.

    ``told`` takes the target's place in the terms that compare waves sample by sample.

    >>> import torch
    >>> wave = torch.zeros(1, 1, 100)
    >>> total({"l1": schema_of("l1")(weight=2.0)}, wave + 1, wave, 16000)
    (tensor(2.), {'l1': tensor(1.)})
    """
    values: dict[str, Tensor] = {}
    result: Tensor | None = None
    with shared():
        for name, settings in terms.items():
            options: dict[str, Any] = settings.model_dump()
            weight = options.pop("weight")
            given = arguments
            if told is not None and name in SAMPLE_BY_SAMPLE:
                given = (arguments[0], told, *arguments[2:])
            value = TERMS[name](*given, **options)
            values[name] = value.detach()
            result = weight * value if result is None else result + weight * value
    assert result is not None, "a recipe has one term at least"
    return result, values
