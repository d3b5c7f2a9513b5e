"""``audioae models``: lists the models of the package."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from audioae.modelfile import ModelInfo


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def models(names: tuple[str, ...]) -> None:
    """List the models of the package, or describe one.

    NAME is a model of the package or the path of a model file; it is printed with its recipe and model card. The figures
    were measured on the validation recordings that the model card names.

    \b
      audioae models
      audioae models conv_dae
    """
    from audioae.cli.terminal import print_line
    from audioae.modelfile import info, shipped
    from audioae.recipe_files import DEFAULT

    tables: dict[str, list[dict[str, str]]] = {}
    sets: dict[str, dict[str, list[str]]] = {}
    for name in names or shipped():
        each = info(name)
        rows = tables.setdefault(each.family, [])
        rows.append(
            {
                each.family.removesuffix("s"): each.name + (" (default)" if not names and each.name == DEFAULT else ""),
                "parameters": f"{each.parameters:,}",
                "size": f"{each.path.stat().st_size / 1e6:.1f} MB",
            }
            | _sound(each)
            | {figure: f"{value:.4g}" for figure, value in each.figures.items()}
        )
        sets.setdefault(each.family, {}).setdefault(_measured_on(each.path), []).append(each.name)
    for number, (family, rows) in enumerate(tables.items()):
        print_line("\n" * bool(number) + _table(rows))
        for words, of in sets[family].items():
            if words:
                print_line(f"{', '.join(of)}: {words}")
    for name in names:
        each = info(name)
        print_line(f"\n{each.path}\n{each.recipe_text}")
        card = each.path.with_suffix(".md")
        if card.is_file():
            print_line("\n" + card.read_text(encoding="utf-8", errors="replace"))


def _sound(each: "ModelInfo") -> dict[str, str]:
    """Sample rates and latency of denoisers and autoencoders; the one sample rate of other models."""
    from audioae.signal.framing import MAX_RATE, MIN_RATE

    if each.family in ("denoisers", "autoencoders"):
        return {"rates": f"{MIN_RATE // 1000}-{MAX_RATE // 1000} kHz", "latency": f"{1000 * each.latency:.0f} ms"}
    return {"rate": f"{each.settings.rate / 1000:g} kHz"}  # type: ignore[attr-defined]


def _measured_on(path: Path) -> str:
    """The sentence of the model card that begins with "Measured on"; empty without a card."""
    card = path.with_suffix(".md")
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    found = re.search(r"^Measured on .+?[.;](?=\s)", text, re.M | re.S)
    return " ".join(found[0].rstrip(".;").split()) if found else ""


def _table(rows: list[dict[str, str]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    widths = {c: max(len(c), *(len(row.get(c, "-")) for row in rows)) for c in columns}
    lines = [dict(zip(columns, columns, strict=True)), *rows]
    return "\n".join("  ".join(row.get(c, "-").ljust(widths[c]) for c in columns).rstrip() for row in lines)
