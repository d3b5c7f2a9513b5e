"""Measures models of the package and writes their figures to every place that states them.

``python tests/benchmarks/figures.py DATA MODEL...`` measures denoisers on the pairs in DATA/valid/16k and 44k. Their
figures go to the models' cards, and from there to their files, the table of the README and the comments of their recipes.
With ``--from-cards`` nothing is measured. ``tests/test_figures.py`` compares these places.
"""

import argparse
import json
import re
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file

import audioae
from audioae.data.pairs import find_pairs
from audioae.evaluate.pairs import NOISY, evaluate, means
from audioae.modelfile import info, save_tensors, shipped
from audioae.weight_files import SHIPPED

ROOT = Path(__file__).parent.parent.parent
SETS = {"16k": "16 kHz", "44k": "44.1 kHz"}
COLUMNS = {"pesq": 2, "estoi": 3, "si_sdr": 2, "dnsmos_ovrl": 2, "log_spectral_distance": 2, "high_band_level": 1}
"""Measures of a denoiser's card in their order, with their digits."""


def card_path(name: str) -> Path:
    return SHIPPED / f"{name}.md"


def card_figures(name: str, of: str = "") -> dict[str, dict[str, str]]:
    """Figures of a denoiser's card, unrounded as written, by set and measure; ``of`` may be ``noisy input``."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in card_path(name).read_text().splitlines()]
    return {row[0]: dict(zip(COLUMNS, row[2:], strict=True)) for row in rows if len(row) == 8 and row[1] == (of or name)}


def held_out_figures(name: str) -> dict[str, str]:
    """Figures of another model's card."""
    return dict(re.findall(r"^\| (\w+) \| (-?[\d.]+) \|$", card_path(name).read_text(), re.M))


def agree(figures: dict[str, float], stated: dict[str, str]) -> bool:
    """Whether the figures of a file are those that a card states, rounded as there."""
    known = {measure: value for measure, value in stated.items() if value != "-"}
    return figures.keys() == known.keys() and all(
        abs(figures[measure] - float(value)) <= 0.501 * 10.0 ** -len(value.partition(".")[2])
        for measure, value in known.items()
    )


def stated_parameters(name: str) -> int:
    """The number of trained values in a card."""
    (number,) = re.findall(r"([\d,]+) (?:trained )?values\.", card_path(name).read_text().split("\n\n")[1])
    return int(number.replace(",", ""))


def measure(name: str, data: Path) -> None:
    """Measure a denoiser and write its card's rows."""
    for folder, label in SETS.items():
        figures = means(evaluate([audioae.load(name)], find_pairs(str(data / "valid" / folder)), list(COLUMNS)))
        for of in (NOISY, name):
            write_row(name, label, of, figures[of])


def write_row(name: str, label: str, of: str, figures: dict[str, float]) -> None:
    """Write one row of a denoiser's card; measures that are not among the figures are unchanged."""
    old = card_figures(name, of)[label]
    new = old | {m: "-" if v != v else f"{v:.{COLUMNS[m]}f}".replace("-0.0", "0.0") for m, v in figures.items()}
    replace(card_path(name), rf"^\| {re.escape(label)} \| {of} \|.*$", f"| {label} | {of} | {' | '.join(new.values())} |")


def write(name: str) -> None:
    """From the card to the model's file, the README and the recipe."""
    own = info(name)
    replace(card_path(name), r"[\d,]+( (?:trained )?values\.)", rf"{own.parameters:,}\1")
    rows = card_figures(name)
    stated = rows["16 kHz"] if rows else held_out_figures(name)
    path = SHIPPED / f"{name}.safetensors"
    with safe_open(path, "pt") as file:
        header = file.metadata()
    if not agree(own.figures, stated):
        figures = {measure: float(value) for measure, value in stated.items() if value != "-"}
        save_tensors(path, load_file(path), header | {"figures": json.dumps(figures)})
    if not rows:
        return
    comment = f"PESQ {stated['pesq']}, ESTOI {stated['estoi']} and SI-SDR {float(stated['si_sdr']):.1f} dB"
    replace(ROOT / f"recipes/{name}.yaml", r"PESQ [\d.]+, ESTOI [\d.]+ and SI-SDR [\d.]+ dB", comment)
    write_readme_row(rf"`{name}`[^|]*?", rows, [f"{own.parameters:,}", f"{path.stat().st_size / 1e6:.1f} MB"])
    write_readme_row(NOISY, card_figures(name, NOISY), ["-", "-"])


def write_readme_row(label: str, rows: dict[str, dict[str, str]], first: list[str]) -> None:
    """The row of a model, or of the input, in the table of the README."""
    narrow, wide = (rows[each] for each in SETS.values())
    cells = [*first, *(narrow[measure] for measure in ("pesq", "estoi", "si_sdr", "dnsmos_ovrl"))]
    cells += [wide[measure] for measure in ("si_sdr", "log_spectral_distance", "high_band_level")]
    replace(ROOT / "README.md", rf"^\| ({label}) \|.*$", rf"| \1 | {' | '.join(cells)} |")


def replace(path: Path, pattern: str, new: str) -> None:
    """Replace the first match, which must exist."""
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1, flags=re.M)
    if not count:
        raise SystemExit(f"{path}: nothing there looks like {pattern}")
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder with valid/16k and valid/44k")
    parser.add_argument("models", nargs="*", help="denoisers to measure")
    parser.add_argument(
        "--from-cards", action="store_true", help="measure nothing, and write what the cards of all models say"
    )
    given = parser.parse_args()
    if given.from_cards == (given.data is not None):
        parser.error("give DATA and models, or --from-cards")
    for name in given.models:
        measure(name, given.data)
    for name in given.models or shipped():
        write(name)


if __name__ == "__main__":
    main()
