"""Word errors of a speech recogniser before and after cleaning, by SNR and attenuation limit.

    python tests/benchmarks/recognition.py PAIRS... [--model NAME] [--recogniser moonshine] [--json FILE]

PAIRS are folders with noisy/ and clean/. The noise of each pair is added to its speech again at each SNR. The reference is
the recogniser's text of the clean recording, so no transcript is needed; recordings of fewer than three words are left out.
Each mixture is cleaned once, and limits are mixed by the formula of `audioae.Strength`. Intervals are percentile bootstraps
over recordings.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jiwer import process_words

import audioae
from audioae.audio.files import read
from audioae.data.pairs import Pair, find_pairs
from audioae.evaluate import words
from audioae.evaluate.summary import mean

SNRS = (-5, 0, 5, 10, 15)
LIMITS: tuple[float | None, ...] = (0.0, 6.0, 12.0, 20.0, None)
"""In dB: 0 is the unprocessed input, None is no limit."""
LEAST_WORDS = 3


def errors(reference: str, wave: np.ndarray, rate: int, recogniser: str) -> int:
    """Wrong, missing and added words."""
    found = process_words(reference, words.plain(words.recognise(wave.astype(np.float32), rate, recogniser)) or " ")
    return found.substitutions + found.deletions + found.insertions


def measured(model: audioae.Denoiser, pair: Pair, recogniser: str) -> Iterator[dict[str, float | str | None]]:
    """One row for each SNR and limit."""
    clean, noisy = read(pair.clean)[0][:, :1], read(pair.noisy)[0][:, :1]
    reference = words.plain(words.recognise(clean, pair.rate, recogniser))
    if len(reference.split()) < LEAST_WORDS:
        return
    noise = noisy - clean
    for snr in SNRS:
        mixed = clean + noise * np.sqrt(np.mean(clean**2) / np.mean(noise**2) / 10 ** (snr / 10))
        mixed *= min(1.0, 0.99 / np.abs(mixed).max())
        with torch.inference_mode():
            cleaned = model(mixed, pair.rate)
        for limit in LIMITS:
            dry = audioae.Strength(limit).dry
            wrong = errors(reference, (1 - dry) * cleaned + dry * mixed, pair.rate, recogniser)
            yield {"name": pair.name, "snr": snr, "limit": limit, "words": len(reference.split()), "errors": wrong}


def table(rows: list[dict[str, float | str | None]]) -> str:
    """Errors per word by SNR and limit, and the difference from the input with its interval."""
    lines = ["| SNR | " + " | ".join("no limit" if x is None else f"{x:g} dB" for x in LIMITS) + " |", "|---" * 6 + "|"]
    for snr in SNRS:
        cells = []
        before = {row["name"]: float(row["errors"] or 0) for row in rows if (row["snr"], row["limit"]) == (snr, 0.0)}
        for limit in LIMITS:
            own = [row for row in rows if (row["snr"], row["limit"]) == (snr, limit)]
            counts = [float(row["words"] or 0) for row in own]
            rates = [float(row["errors"] or 0) / count for row, count in zip(own, counts, strict=True)]
            change = [
                (float(row["errors"] or 0) - before[row["name"]]) / count for row, count in zip(own, counts, strict=True)
            ]
            gap = mean(change, counts)
            more = "" if limit == 0 else f" ({gap.value:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}])"
            cells.append(f"{mean(rates, counts).value:.3f}{more}")
        lines.append(f"| {snr} dB | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+")
    parser.add_argument("--model", default="default")
    parser.add_argument("--recogniser", default="moonshine", choices=words.RECOGNISERS)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    model = audioae.load(arguments.model)
    rows: list[dict[str, float | str | None]] = []
    for pair in [pair for folder in arguments.pairs for pair in find_pairs(folder)]:
        rows += measured(model, pair, arguments.recogniser)
        print(pair.name, file=sys.stderr, flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))
    names = {str(row["name"]): float(row["words"] or 0) for row in rows}
    print(f"{len(names)} recordings, {sum(names.values()):g} words\n\n{table(rows)}")


if __name__ == "__main__":
    main()
