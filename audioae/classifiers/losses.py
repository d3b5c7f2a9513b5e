"""Losses of classifiers: from logits ``(B, classes)`` and correct classes ``(B,)`` to a scalar."""

from typing import Annotated

from torch import Tensor
from torch.nn import functional

from audioae.settings.config import Field


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> Tensor:
    """Cross-entropy in nats, with label smoothing (Szegedy et al. 2016)."""
    return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
