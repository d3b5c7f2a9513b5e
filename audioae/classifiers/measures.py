"""Measures of classifiers: from logits ``(B, classes)`` and correct classes ``(B,)`` to a number."""

from torch import Tensor

LOWER_IS_BETTER: frozenset[str] = frozenset()


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of the recordings whose most likely class is correct."""
    return float((logits.argmax(1) == labels).float().mean())
