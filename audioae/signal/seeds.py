"""Seeded random numbers."""

from typing import Any

import torch

from audioae.errors import InputError

LARGEST_SEED = 2**63 - 1


def checked_seed(seed: Any) -> int:
    """Check a seed.

    Raises:
        InputError: not a whole number from 0 to :data:`LARGEST_SEED`.

    >>> checked_seed(3)
    3
    """
    return checked_count(seed, "seed", 0, LARGEST_SEED)


def checked_count(value: Any, what: str, least: int = 1, most: int = 10**9) -> int:
    """A whole number within bounds.

    Raises:
        InputError: anything else; the message begins with ``what``.
    """
    try:
        whole = int(value)
        fits = whole == value and not isinstance(value, bool) and least <= whole <= most
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise InputError(f"{what} {str(value)[:40]}: give a whole number from {least} to {most}")
    return whole


def generator(seed: Any) -> torch.Generator:
    """A random number generator on the CPU with this seed.

    Raises:
        InputError: see :func:`checked_seed`.
    """
    return torch.Generator().manual_seed(checked_seed(seed))
