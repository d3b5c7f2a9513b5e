"""Recordings that came out worse than they went in, and the worst one of each entrant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audioae.data.pairs import Pair
from audioae.evaluate.pairs import CLEAN, NOISY, OF_CLEAN, Score
from audioae.measures.table import LOWER_IS_BETTER

LIMITS = {"si_sdr": 0.5, "pesq": 0.05, "pesq_nb": 0.05}
"""By how much a figure may fall before a recording counts as worse than its input. ``pesq_nb`` counts where there is no
``pesq``, below 16 kHz."""


@dataclass(frozen=True)
class Change:
    """One figure of one recording, before and after.

    Attributes:
        model: the entrant.
        pair: the recording.
        measure: name.
        before: of the noisy input; not a number for what is measured of the clean recording.
        after: of the result; not a number where it cannot be measured, as PESQ of a result without speech.
    """

    model: str
    pair: Pair
    measure: str
    before: float
    after: float

    @property
    def loss(self) -> float:
        """By how much it became worse; infinite where the result cannot be measured and the input can."""
        if math.isnan(self.after):
            return math.nan if math.isnan(self.before) else math.inf
        return (self.after - self.before) * (1 if self.measure in LOWER_IS_BETTER else -1)


def worst(scores: Sequence[Score]) -> dict[str, dict[str, Change]]:
    """By model and measure, the recording that gained least, or that lost most; of clean recordings the lowest figure."""
    found: dict[str, dict[str, Change]] = {}
    for change in _changes(scores):
        best = found.setdefault(change.model, {})
        if not math.isnan(_badness(change)) and (
            change.measure not in best or _badness(change) > _badness(best[change.measure])
        ):
            best[change.measure] = change
    return found


def worse(scores: Sequence[Score]) -> list[Change]:
    """Recordings that are worse than their input by more than :data:`LIMITS`."""
    changes = _changes(scores)
    wide = {change.pair for change in changes if change.measure == "pesq" and not math.isnan(change.before)}
    return [
        change
        for change in changes
        if change.loss > LIMITS.get(change.measure, math.inf) and not (change.measure == "pesq_nb" and change.pair in wide)
    ]


def _badness(change: Change) -> float:
    return -change.after if change.measure == OF_CLEAN else change.loss


def _changes(scores: Sequence[Score]) -> list[Change]:
    before = {score.pair: score.figures for score in scores if score.model == NOISY}
    return [
        Change(score.model, score.pair, name, before[score.pair][name], value)
        for score in scores
        if score.model not in (NOISY, CLEAN)
        for name, value in score.figures.items()
    ]
