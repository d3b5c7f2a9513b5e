"""Measuring models on noisy recordings whose clean references are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from audioae.audio.files import read
from audioae.data.pairs import Pair
from audioae.denoiser import Denoiser
from audioae.metrics.measures import measure

NOISY = "noisy input"


@dataclass(frozen=True)
class Score:
    """One recording as one model left it.

    Attributes:
        model: its name, or ``noisy input`` for the recording as it was.
        pair: the recording.
        figures: measures by name.
    """

    model: str
    pair: Pair
    figures: dict[str, float]


def evaluate(
    denoisers: Sequence[Denoiser],
    pairs: Sequence[Pair],
    measures: Sequence[str],
    progress: Callable[[str], None] | None = None,
) -> list[Score]:
    """Scores of the unprocessed input and of every model on every pair.

    Raises:
        InputError: a file cannot be read.
        MissingExtraError: a measure needs a package that is not there.
    """
    scores = []
    for pair in pairs:
        noisy, _ = read(pair.noisy)
        clean, _ = read(pair.clean)
        scores.append(Score(NOISY, pair, measure(measures, noisy, clean, pair.rate)))
        for denoiser in denoisers:
            with torch.inference_mode():
                estimate = denoiser(noisy, pair.rate)
            scores.append(Score(denoiser.name, pair, measure(measures, estimate, clean, pair.rate)))
        if progress is not None:
            progress(pair.name)
    return scores


def means(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """Mean figures by model, in the order that they come in; what could not be measured does not count."""
    models: dict[str, dict[str, float]] = {}
    for model in dict.fromkeys(score.model for score in scores):
        rows = [score.figures for score in scores if score.model == model]
        models[model] = {}
        for name in rows[0]:
            values = [row[name] for row in rows if not np.isnan(row[name])]
            models[model][name] = float(np.mean(values)) if values else float("nan")
    return models


def by_snr(scores: Sequence[Score]) -> dict[float, list[Score]]:
    """The scores of each SNR that the pairs' manifest knows, lowest first."""
    known = sorted({score.pair.snr_db for score in scores if score.pair.snr_db is not None})
    return {snr: [score for score in scores if score.pair.snr_db == snr] for snr in known}
