"""Scores as Markdown, CSV and JSON."""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from audioae.data.pairs import Pair, Recording
from audioae.evaluate import words
from audioae.evaluate.entrants import Entrant
from audioae.evaluate.pairs import OF_CLEAN, Score, by_snr, summaries
from audioae.evaluate.summary import CONFIDENCE, Mean
from audioae.evaluate.worst import Change, worse, worst
from audioae.measures.table import libraries, library
from audioae.system.printable import printable

_DIGITS = {"stoi": 3, "estoi": 3} | dict.fromkeys(words.PACKAGES, 3)
_DECIDING = ("si_sdr", "pesq")
"""Measures by which the worst recording is found."""


def markdown(
    scores: Sequence[Score], entrants: Sequence[Entrant], pairs: Sequence[Recording], each_snr: bool = False
) -> str:
    """Tables of means with their intervals, for all pairs and optionally for each SNR, and the libraries of the measures.

    The number of recordings follows the name of a measure that does not apply to all.
    """
    names = list(scores[0].figures)
    lines = [f"{_number_of(pairs)}; means [{100 * CONFIDENCE:.0f} % bootstrap interval over recordings]", ""]
    rows = summaries(scores)
    lines.append(_table(rows, names, entrants))
    if each_snr:
        for snr, group in by_snr(scores).items():
            lines += ["", f"SNR {snr:g} dB, {_number_of([p for p in pairs if p.snr_db == snr])}", ""]
            lines.append(_table(summaries(group), names, ()))
    lines += ["", *_worst_table(scores, names)]
    return "\n".join([*lines, "", *_notes(_shown(rows, names), entrants)]) + "\n"


def worse_table(changes: Sequence[Change]) -> str:
    """Table of the recordings that are worse than their input."""
    if not changes:
        return "No recording is worse than its input.\n"
    return "\n".join(["Worse than the input:", "", *_changes_table(changes)]) + "\n"


def figures_table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """A table of figures by model and name, without empty columns."""
    names = list(
        dict.fromkeys(name for figures in rows.values() for name, value in figures.items() if not math.isnan(value))
    )
    lines = [f"| model | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for model, figures in rows.items():
        cells = [f"{value:.4g}" if not math.isnan(value := figures.get(n, math.nan)) else "-" for n in names]
        lines.append(f"| {_cell_text(model)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(
    scores: Sequence[Score],
    entrants: Sequence[Entrant],
    pairs: Sequence[Recording],
    inner: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """All tables, also by SNR, and the figures of each file; null for NaN."""
    names = list(scores[0].figures) if scores else []
    costs = {
        e.name: {"real_time_factor": _or_none(e.real_time_factor), "peak_bytes": e.peak_bytes or None} for e in entrants
    }
    content = {
        "recordings": len(pairs),
        "pairs": sum(isinstance(pair, Pair) for pair in pairs),
        "seconds": sum(pair.seconds for pair in pairs),
        "confidence": CONFIDENCE,
        "libraries": {name: _library(name) for name in names},
        "models": {m: {"figures": f} | costs.get(m, {}) for m, f in _plain(summaries(scores)).items()},
        "worst": {m: {n: _change(c) for n, c in found.items()} for m, found in worst(scores).items()},
        "worse_than_input": [{"model": c.model, "measure": c.measure} | _change(c) for c in worse(scores)],
        "codes": {model: {n: _or_none(v) for n, v in row.items()} for model, row in (inner or {}).items()},
        "by_snr": [{"snr_db": snr, "models": _plain(summaries(group))} for snr, group in by_snr(scores).items()],
        "files": [
            {"model": s.model, "file": str(s.pair.noisy), "snr_db": s.pair.snr_db}
            | {name: _or_none(value) for name, value in s.figures.items()}
            for s in scores
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def as_csv(scores: Sequence[Score]) -> str:
    """One row for each model and file, with the libraries of the measures; empty for NaN."""
    text = io.StringIO()
    names = list(scores[0].figures)
    computed = _computed_by(names)
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["model", "file", "snr_db", *names, "computed_by"])
    for each in scores:
        snr = "" if each.pair.snr_db is None else f"{each.pair.snr_db:g}"
        figures = ["" if math.isnan(each.figures[n]) else repr(each.figures[n]) for n in names]
        table.writerow([each.model, each.pair.noisy, snr, *figures, computed])
    return text.getvalue()


def _number_of(pairs: Sequence[Recording]) -> str:
    kind = "pair" if all(isinstance(pair, Pair) for pair in pairs) else "recording"
    return f"{len(pairs)} {kind}{'s' * (len(pairs) != 1)}, {sum(pair.seconds for pair in pairs):.0f} s"


def _table(rows: dict[str, dict[str, Mean]], names: Sequence[str], entrants: Sequence[Entrant]) -> str:
    shown = _shown(rows, names)
    costs = {e.name: [_cost(e.real_time_factor, "{:.3f}"), _cost(e.peak_bytes / 1e6, "{:.0f}")] for e in entrants}
    counts = {name: max(figures[name].count for figures in rows.values()) for name in shown}
    # Some measures do not fit every recording: PESQ-WB needs 16 kHz.
    heads = [name if counts[name] == max(counts.values()) else f"{name} ({counts[name]})" for name in shown]
    heads += ["rtf", "peak MB"] if entrants else []
    lines = [f"| model | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for model, figures in rows.items():
        cells = [_cell(name, figures[name]) for name in shown] + (costs.get(model, ["-", "-"]) if entrants else [])
        lines.append(f"| {_cell_text(model)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _worst_table(scores: Sequence[Score], names: Sequence[str]) -> list[str]:
    """The worst recording of each model, by the main measures and by the SI-SDR of cleaned clean recordings."""
    shown = [name for name in (*_DECIDING, OF_CLEAN) if name in names] or list(names[:1])
    changes = [found[name] for found in worst(scores).values() for name in shown if name in found]
    if not changes:
        return []
    return ["The recording with the smallest gain, for each model:", "", *_changes_table(changes)]


def _changes_table(changes: Sequence[Change]) -> list[str]:
    lines = ["| model | measure | recording | input | output |", "|---|---|---|---|---|"]
    for each in changes:
        figures = ["-" if math.isnan(v) else f"{v:.{_DIGITS.get(each.measure, 2)}f}" for v in (each.before, each.after)]
        lines.append(f"| {' | '.join([_cell_text(each.model), each.measure, _cell_text(each.pair.name), *figures])} |")
    return lines


def _cell_text(text: str) -> str:
    """A name without control characters and with escaped column separators."""
    return printable(text, lines=False).replace("|", "\\|")


def _shown(rows: dict[str, dict[str, Mean]], names: Sequence[str]) -> list[str]:
    """Measures with a value: below 16 kHz there is no band above 8 kHz."""
    return [name for name in names if any(figures[name].count for figures in rows.values())]


def _cell(name: str, mean: Mean) -> str:
    if not mean.count:
        return "-"
    digits = _DIGITS.get(name, 2)
    if mean.count == 1:
        return f"{mean.value:.{digits}f}"
    return f"{mean.value:.{digits}f} [{mean.low:.{digits}f}, {mean.high:.{digits}f}]"


def _cost(value: float, form: str) -> str:
    return form.format(value) if value > 0 else "-"


def _notes(names: Sequence[str], entrants: Sequence[Entrant]) -> list[str]:
    notes = [f"Computed by {_computed_by(names)}."]
    if entrants:
        notes.append(f"rtf: seconds of work per second of sound on this machine with {os.cpu_count()} CPU cores.")
    return notes


def _computed_by(names: Sequence[str]) -> str:
    by_library: dict[str, list[str]] = {}
    for name in names:
        by_library.setdefault(_library(name), []).append(name)
    return "; ".join(f"{used} ({', '.join(own)})" for used, own in by_library.items())


def _library(name: str) -> str:
    if name in words.PACKAGES:
        return libraries(words.PACKAGES[name])
    return library("si_sdr" if name == OF_CLEAN else name)


def _plain(rows: dict[str, dict[str, Mean]]) -> dict[str, Any]:
    return {
        model: {
            name: {"mean": _or_none(m.value), "low": _or_none(m.low), "high": _or_none(m.high), "count": m.count}
            for name, m in figures.items()
        }
        for model, figures in rows.items()
    }


def _change(change: Change) -> dict[str, Any]:
    return {"file": str(change.pair.noisy), "input": _or_none(change.before), "output": _or_none(change.after)}


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
