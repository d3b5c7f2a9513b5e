"""``audioae evaluate``: how good models are, in figures."""

import json
import math
from pathlib import Path
from typing import Any

import click

DEFAULT_MEASURES = ("pesq", "stoi", "estoi", "si_sdr", "log_spectral_distance", "high_band_level")


@click.command()
@click.argument("pairs", nargs=-1, required=True, metavar="PAIRS...")
@click.option("--model", "models", multiple=True, metavar="NAME",
              help="A model of the package or a bundle's path; may be given again.  [default: all]")  # fmt: skip
@click.option("--measure", "measures", multiple=True, metavar="NAME",
              help=f"May be given again.  [default: {', '.join(DEFAULT_MEASURES)}]")  # fmt: skip
@click.option("--by-snr", is_flag=True, help="A table for every SNR too.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures of every file.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def evaluate(
    pairs: tuple[str, ...],
    models: tuple[str, ...],
    measures: tuple[str, ...],
    by_snr: bool,
    json_path: Path | None,
    device: str,
    quiet: bool,
) -> None:
    """Measure models on noisy recordings with clean references, and print a Markdown table.

    PAIRS are folders with noisy/ and clean/ below them (the same names in both), or CSV/JSONL manifests with the columns
    noisy, clean and, if known, snr_db.

    \b
      audioae evaluate samples
      audioae evaluate VoiceBank/test --model runs/conv_dae/best.safetensors --by-snr
    """
    from audioae.bundle import load, shipped
    from audioae.cli.progress import bar
    from audioae.data.pairs import find_pairs
    from audioae.evaluate import pairs as scoring
    from audioae.metrics.measures import MEASURES
    from audioae.registry import did_you_mean

    names = measures or DEFAULT_MEASURES
    for name in names:
        if name not in MEASURES:
            raise click.BadParameter(f"{name!r} (there are: {', '.join(MEASURES)}){did_you_mean(name, MEASURES)}")
    found = [pair for entry in pairs for pair in find_pairs(entry)]
    denoisers = [load(model, device) for model in models or shipped()]
    with bar(len(found), "evaluate", quiet) as shown:
        scores = scoring.evaluate(denoisers, found, names, lambda _: shown.update())
    seconds = sum(pair.seconds for pair in found)
    click.echo(f"{len(found)} pairs, {seconds:.0f} s\n")
    click.echo(_table(scoring.means(scores), names))
    if by_snr:
        for snr, group in scoring.by_snr(scores).items():
            click.echo(f"\nSNR {snr:g} dB\n\n" + _table(scoring.means(group), names))
    if json_path is not None:
        rows: list[dict[str, Any]] = [
            {"model": s.model, "file": str(s.pair.noisy), "snr_db": s.pair.snr_db} | _plain(s.figures) for s in scores
        ]
        _write(json_path, json.dumps(rows, indent=1) + "\n")


def _plain(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in figures.items()}


def _table(rows: dict[str, dict[str, float]], names: Any) -> str:
    shown = [n for n in names if any(not math.isnan(figures[n]) for figures in rows.values())]
    lines = [f"| model | {' | '.join(shown)} |", "|---" * (len(shown) + 1) + "|"]
    for model, figures in rows.items():
        lines.append(f"| {model} | " + " | ".join(_number(n, figures[n]) for n in shown) + " |")
    return "\n".join(lines)


def _number(name: str, value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}" if name in ("stoi", "estoi") else f"{value:.2f}"


def _write(path: Path, text: str) -> None:
    from audioae.errors import OutputError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from None
