"""Measures results for recordings, with or without clean references."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from audioae.audio.files import read
from audioae.data.pairs import Pair, Recording
from audioae.errors import AudioaeError
from audioae.evaluate import words
from audioae.evaluate.entrants import Entrant, Wave
from audioae.evaluate.summary import Mean, mean
from audioae.measures.table import LOWER_IS_BETTER, WITHOUT_REFERENCE, measure
from audioae.nn.trained import StreamingModel

NOISY = "noisy input"
CLEAN = "clean reference"
OF_CLEAN = "si_sdr_of_clean"
"""SI-SDR of clean recordings that were cleaned."""


@dataclass(frozen=True)
class Score:
    """Measures of one result.

    Attributes:
        model: name of the model, or ``noisy input`` for the unprocessed recording.
        pair: the recording.
        figures: measures by name.
    """

    model: str
    pair: Recording
    figures: dict[str, float]


def score(
    entrants: Sequence[Entrant],
    pairs: Sequence[Recording],
    measures: Sequence[str],
    recogniser: str = "",
    progress: Callable[[str], None] | None = None,
    failed: Callable[[str, AudioaeError | KeyboardInterrupt], None] | None = None,
    of_clean: bool = False,
) -> list[Score]:
    """Scores of the unprocessed input and of every entrant on every pair, one entrant after the other.

    Args:
        entrants: entrants of the comparison; each is closed when it is done.
        pairs: recordings. Measures that compare with a reference are NaN for those without one.
        measures: names of :data:`audioae.measures.table.MEASURES`.
        recogniser: one of :data:`audioae.evaluate.words.RECOGNISERS`: also measure the word error rate of pairs with
            a transcript, and that of the clean reference.
        progress: called with a name after every recording.
        failed: called with the name and the error of an entrant that failed. It is left out, and the others continue, except
            after Ctrl-C. By default, the error is raised.
        of_clean: also measure :data:`OF_CLEAN`, for entrants that process recordings.

    Raises:
        InputError: an unreadable file, or a result that does not match its recording.
        MissingExtraError: a measure needs a package that is not installed.
    """

    def figures(estimate: Wave, clean: Wave | None, pair: Recording) -> dict[str, float]:
        found = _figures(measures, recogniser, estimate, clean, pair)
        return found | ({OF_CLEAN: math.nan} if of_clean else {})

    def processed(entrant: Entrant, pair: Recording) -> Score:
        clean = _reference(pair)
        found = figures(entrant.enhance(pair), clean, pair)
        if of_clean and entrant.takes_recordings and isinstance(pair, Pair):
            kept = entrant.enhance(replace(pair, noisy=pair.clean))
            found[OF_CLEAN] = measure(["si_sdr"], kept, read(pair.clean)[0], pair.rate)["si_sdr"]
        return Score(entrant.name, pair, found)

    def unprocessed(pair: Recording) -> list[Score]:
        clean = _reference(pair)
        found = [Score(NOISY, pair, figures(read(pair.noisy)[0], clean, pair))]
        if recogniser and clean is not None:
            nothing = dict.fromkeys([*measures, *([OF_CLEAN] if of_clean else ())], math.nan)
            errors = words.error_rate(clean, pair.rate, pair.text, recogniser)
            found.append(Score(CLEAN, pair, nothing | {words.RECOGNISERS[recogniser].measure: errors}))
        return found

    progress = progress or (lambda name: None)
    scores = []
    for pair in pairs:
        scores += unprocessed(pair)
        progress(NOISY)
    for entrant in entrants:
        own = []
        try:
            with entrant:
                for pair in pairs:
                    own.append(processed(entrant, pair))
                    progress(entrant.name)
        except (AudioaeError, KeyboardInterrupt) as error:
            if failed is None:
                raise
            failed(entrant.name, error)
            if isinstance(error, KeyboardInterrupt):
                break
        else:
            scores += own
    return scores


def _reference(pair: Recording) -> Wave | None:
    return read(pair.clean)[0] if isinstance(pair, Pair) else None


def _figures(
    measures: Sequence[str], recogniser: str, estimate: Wave, clean: Wave | None, pair: Recording
) -> dict[str, float]:
    if clean is None:
        own = [name for name in measures if name in WITHOUT_REFERENCE]
        found = dict.fromkeys(measures, math.nan) | measure(own, estimate, estimate, pair.rate)
    else:
        found = measure(measures, estimate, clean, pair.rate)
    if recogniser:
        found[words.RECOGNISERS[recogniser].measure] = words.error_rate(estimate, pair.rate, pair.text, recogniser)
    return found


def evaluate(denoisers: Sequence[StreamingModel], pairs: Sequence[Pair], measures: Sequence[str]) -> list[Score]:
    """:func:`score` of loaded models in this process, without measuring their cost.

    Raises:
        InputError: a file cannot be read.
        MissingExtraError: a measure needs a package that is not installed.
    """
    return score([_Loaded(denoiser) for denoiser in denoisers], pairs, measures)


class _Loaded(Entrant):
    def __init__(self, denoiser: StreamingModel) -> None:
        super().__init__(denoiser.name)
        self._denoiser = denoiser

    def enhance(self, pair: Recording) -> Wave:
        with torch.inference_mode():
            return self._denoiser(read(pair.noisy)[0], pair.rate)


def summaries(scores: Sequence[Score]) -> dict[str, dict[str, Mean]]:
    """Means with intervals by model and measure; NaN is ignored.

    The word error rate is weighted by the number of words.
    """
    models: dict[str, dict[str, Mean]] = {}
    for model in dict.fromkeys(score.model for score in scores):
        own = [score for score in scores if score.model == model]
        models[model] = {
            name: mean(
                [s.figures[name] for s in own],
                [words.count(s.pair.text) for s in own] if name in words.PACKAGES else None,
            )
            for name in own[0].figures
        }
    return models


def means(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    """The means of :func:`summaries` without intervals."""
    return {model: {name: m.value for name, m in rows.items()} for model, rows in summaries(scores).items()}


def by_snr(scores: Sequence[Score]) -> dict[float, list[Score]]:
    """The scores for each known SNR, lowest first."""
    known = sorted({score.pair.snr_db for score in scores if score.pair.snr_db is not None})
    return {snr: [score for score in scores if score.pair.snr_db == snr] for snr in known}


def gains(scores: Sequence[Score], measures: Sequence[str]) -> dict[str, dict[str, dict[float, float]]]:
    """The mean gain over the noisy input at each known SNR, by measure and model; higher is better."""
    tables = {snr: means(group) for snr, group in by_snr(scores).items()}
    models = [m for m in dict.fromkeys(score.model for score in scores) if m not in (NOISY, CLEAN)]
    return {
        name: {m: {snr: sign * (table[m][name] - table[NOISY][name]) for snr, table in tables.items()} for m in models}
        for name, sign in ((name, -1 if name in LOWER_IS_BETTER else 1) for name in measures)
    }
