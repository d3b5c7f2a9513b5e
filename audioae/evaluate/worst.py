"""Recordings that are worse than their input, and the worst recording of each entrant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audioae.data.pairs import Recording
from audioae.evaluate.pairs import CLEAN, NOISY, OF_CLEAN, Score
from audioae.measures.table import LOWER_IS_BETTER

LIMITS = {"si_sdr": 0.5, "pesq": 0.05, "pesq_nb": 0.05}
"""Largest loss by which a recording does not count as worse than its input. ``pesq_nb`` is used below 16 kHz, where ``pesq``
is not defined."""


@dataclass(frozen=True)
class Change:
    """One measure of one recording, before and after.

    Attributes:
        model: the entrant.
        pair: the recording.
        measure: name of the measure.
        before: value of the noisy input; NaN for measures of the clean recording.
        after: value of the result; NaN if undefined, such as PESQ without speech.
    """

    model: str
    pair: Recording
    measure: str
    before: float
    after: float

    @property
    def loss(self) -> float:
        """Loss of quality; infinite if the measure is defined for the input only."""
        if math.isnan(self.after):
            return math.nan if math.isnan(self.before) else math.inf
        return (self.after - self.before) * (1 if self.measure in LOWER_IS_BETTER else -1)


def worst(scores: Sequence[Score]) -> dict[str, dict[str, Change]]:
    """The recording with the smallest gain, by model and measure; for clean recordings the one with the lowest value."""
    found: dict[str, dict[str, Change]] = {}
    for change in _changes(scores):
        best = found.setdefault(change.model, {})
        if not math.isnan(_severity(change)) and (
            change.measure not in best or _severity(change) > _severity(best[change.measure])
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


def _severity(change: Change) -> float:
    return -change.after if change.measure == OF_CLEAN else change.loss


def _changes(scores: Sequence[Score]) -> list[Change]:
    before = {score.pair: score.figures for score in scores if score.model == NOISY}
    return [
        Change(score.model, score.pair, name, before[score.pair][name], value)
        for score in scores
        if score.model not in (NOISY, CLEAN)
        for name, value in score.figures.items()
    ]
