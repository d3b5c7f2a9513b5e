"""``audioae models``: what comes with the package."""

import click

HEADS = {"waves": "denoiser", "codes": "autoencoder", "labels": "classifier", "sounds": "generator"}
"""What the models of each family are called."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def models(names: tuple[str, ...]) -> None:
    """List the models of the package, or describe each NAME or bundle's path with its whole recipe.

    Figures are those of the validation recordings that the model card names.

    \b
      audioae models
      audioae models conv_dae
    """
    from audioae.bundle import DEFAULT, info, shipped
    from audioae.cli.terminal import say
    from audioae.signal.stft import MAX_RATE, MIN_RATE

    tables: dict[str, list[dict[str, str]]] = {}
    for name in names or shipped():
        each = info(name)
        rows = tables.setdefault(each.recipe.family, [])
        rows.append(
            {
                HEADS[each.recipe.family]: each.name + (" (default)" if not names and each.name == DEFAULT else ""),
                "parameters": f"{each.parameters:,}",
                "size": f"{each.path.stat().st_size / 1e6:.1f} MB",
                "rates": f"{MIN_RATE // 1000}-{MAX_RATE // 1000} kHz",
                "latency": f"{1000 * each.latency:.0f} ms",
            }
            | {figure: f"{value:.3g}" for figure, value in each.figures.items()}
        )
    for number, rows in enumerate(tables.values()):
        say("\n" * bool(number) + _table(rows))
    for name in names:
        each = info(name)
        say(f"\n{each.path}\n{each.recipe_text}")
        card = each.path.with_suffix(".md")
        if card.is_file():
            say("\n" + card.read_text(encoding="utf-8", errors="replace"))


def _table(rows: list[dict[str, str]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    widths = {c: max(len(c), *(len(row.get(c, "-")) for row in rows)) for c in columns}
    lines = [dict(zip(columns, columns, strict=True)), *rows]
    return "\n".join("  ".join(row.get(c, "-").ljust(widths[c]) for c in columns).rstrip() for row in lines)
