"""``audioae recipes``: the recipes of the package, to read and to start from."""

import click

from audioae.cli.terminal import print_line


@click.command()
@click.argument("name", required=False)
def recipes(name: str | None) -> None:
    """List the recipes of the package, or print one.

    `audioae train NAME` trains by a recipe of the package. To write your own, print one to a file and edit it.

    \b
      audioae recipes
      audioae recipes conv_dae > mine.yaml
      audioae train mine.yaml
    """
    from audioae import recipe_files

    if name is not None:
        print_line(recipe_files.locate(name).read_text(encoding="utf-8"), end="")
        return
    known = recipe_files.names()
    width = max(map(len, known))
    for each in known:
        print_line(f"{each.ljust(width)}  {recipe_files.summary(recipe_files.locate(each))}")
