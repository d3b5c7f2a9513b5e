"""Measures of denoisers: those of waves, ``(estimate, clean, rate)`` to a number; see :mod:`audioae.measures`."""

from audioae.measures.table import LOWER_IS_BETTER, MEASURES

__all__ = ["LOWER_IS_BETTER", "MEASURES"]
