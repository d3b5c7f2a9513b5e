"""``audioae generate``: new sounds."""

from pathlib import Path

import click

from audioae.cli.codes import FOLDER, OVERWRITE, SEED, write_all
from audioae.cli.options import threads
from audioae.cli.terminal import say


@click.command()
@click.argument("model")
@FOLDER
@OVERWRITE
@SEED
@click.option("-n", "--count", type=click.IntRange(1, 10_000), default=8, show_default=True, help="How many sounds.")
@click.option("--class", "label", metavar="NAME", help="Of this class alone, for generators of classes (cgan).")
@click.option("--truncation", type=float, metavar="DEVIATIONS",
              help="Keep the random numbers this near to 0, such as 1: sounds are more alike.")  # fmt: skip
@click.option(
    "--interpolate", is_flag=True, help="All on the way from one sound to another, of one class (the first without --class)."
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="PNG", help="Draw the spectrograms in a grid.")
@threads
def generate(
    model: str,
    out: Path,
    overwrite: bool,
    seed: int,
    count: int,
    label: str | None,
    truncation: float | None,
    interpolate: bool,
    plot: Path | None,
) -> None:
    """Make new sounds with MODEL, a generator of the package or a bundle's path.

    The same seed gives the same sounds.

    \b
      audioae generate dcgan -n 16 -o out/
      audioae generate cgan --class 7 -n 4 -o sevens/ --plot sevens.png
      audioae generate runs/lapgan/best.safetensors --interpolate -n 9 -o between/
    """
    from audioae.infer.generate import images_and_waves
    from audioae.places import check_place
    from audioae.plot import save_patches

    if plot is not None:
        check_place(plot, overwrite)
    images, waves, rate = images_and_waves(model, count, seed, label, truncation, interpolate)
    write_all(out, [f"{number:03d}.wav" for number in range(count)], waves[..., None], rate, overwrite)
    if plot is not None:
        shown = images[:64]
        rows = {f"{start:03d}": shown[start : start + 8] for start in range(0, len(shown), 8)}
        save_patches(rows, plot, overwrite=overwrite)
        say(str(plot))
