"""``audioae models``: what comes with the package."""

import click


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
    from audioae.config import dump
    from audioae.signal.stft import MAX_RATE, MIN_RATE

    rows = []
    for name in names or shipped():
        each = info(name)
        rows.append(
            {
                "model": each.name + (" (default)" if not names and each.name == DEFAULT else ""),
                "parameters": f"{each.parameters:,}",
                "size": f"{each.path.stat().st_size / 1e6:.1f} MB",
                "rates": f"{MIN_RATE // 1000}-{MAX_RATE // 1000} kHz",
                "latency": f"{1000 * each.latency:.0f} ms",
            }
            | {figure: f"{value:.3g}" for figure, value in each.figures.items()}
        )
    columns = list(dict.fromkeys(key for row in rows for key in row))
    widths = {c: max(len(c), *(len(row.get(c, "-")) for row in rows)) for c in columns}
    click.echo("  ".join(c.ljust(widths[c]) for c in columns).rstrip())
    for row in rows:
        click.echo("  ".join(row.get(c, "-").ljust(widths[c]) for c in columns).rstrip())
    for name in names:
        each = info(name)
        click.echo(f"\n{each.path}\n{dump(each.recipe)}")
        card = each.path.with_suffix(".md")
        if card.is_file():
            click.echo("\n" + card.read_text(encoding="utf-8"))
