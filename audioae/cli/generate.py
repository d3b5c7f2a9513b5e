"""``audioae generate``: draws new sounds from generators and variational autoencoders."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from audioae.cli import options
from audioae.cli.codes import write_all
from audioae.cli.terminal import print_line

if TYPE_CHECKING:
    from audioae.generators.generator import Generator


@click.command()
@options.model_argument
@options.model("A generator or variational autoencoder of the package, or the path of a model file.")
@options.out("Folder for the sounds, 000.wav, 001.wav and so on; or a file for a single sound.")
@options.overwrite
@options.seed
@click.option("-n", "--count", type=click.IntRange(1, 10_000), default=8, show_default=True, help="Number of sounds.")
@click.option("--class", "label", metavar="NAME", help="Draw this class only; for generators with classes (cgan).")
@click.option("--truncation", type=float, metavar="DEVIATIONS",
              help="Limit the random numbers to this distance from 0, such as 1, for more typical sounds.")  # fmt: skip
@click.option("--latent", type=click.Path(path_type=Path), metavar="JSON",
              help="Draw the one sound whose random numbers are in this file, which `audioae studio` saves.")  # fmt: skip
@click.option("--interpolate", is_flag=True, help="Interpolate from one sound to another of the same class.")
@click.option("--patches", type=click.IntRange(1, 10_000), metavar="M",
              help="Patches in each sound, drawn independently; for autoencoders.  [default: 1]")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), metavar="PNG", help="Draw the spectrograms; for generators.")
@options.device("cpu")
@options.threads
@options.quiet
def generate(
    argument: str | None,
    model: str | None,
    out: Path,
    overwrite: bool,
    seed: int,
    count: int,
    label: str | None,
    truncation: float | None,
    latent: Path | None,
    interpolate: bool,
    patches: int | None,
    plot: Path | None,
    device: str,
    quiet: bool,
) -> None:
    """Draw new sounds from a generator or a variational autoencoder.

    The same seed gives the same sounds.

    \b
      audioae generate -m dcgan -n 16 -o out/
      audioae generate -m cgan --class 7 -n 4 -o sevens/ --plot sevens.png
      audioae generate -m vae_2d -n 8 -o digits/
      audioae generate -m runs/lapgan/best.safetensors --interpolate -n 9 -o between/
    """
    from audioae.autoencoders.autoencoder import Autoencoder
    from audioae.generators.generator import Generator
    from audioae.modelfile import load
    from audioae.plot import save_patches
    from audioae.runtime.loading import of_family
    from audioae.system.places import check_apart, check_place
    from audioae.weight_files import locate

    chosen = options.one_model(argument, model)
    inputs = [locate(chosen), *([] if latent is None else [latent])]
    if plot is not None:
        check_apart(plot, inputs)
        check_place(plot, overwrite)
    if latent is not None:
        _refuse_beside_latent()
    loaded, images = load(chosen, device), None
    given = {
        "--class": label,
        "--truncation": truncation,
        "--interpolate": interpolate or None,
        "--plot": plot,
        "--latent": latent,
    }
    if isinstance(loaded, Autoencoder):
        _refuse(given, loaded.name, "a generator")
        waves, rate = loaded.sample(count, seed, patches or 1)
    else:
        _refuse({"--patches": patches}, loaded.name, "a variational autoencoder")
        generator = of_family(loaded, Generator)
        if latent is None:
            images, waves, rate = generator.images_and_waves(count, seed, label, truncation, interpolate)
        else:
            images, waves, rate = _from_latent(generator, latent)
    names = [f"{number:03d}.wav" for number in range(len(waves))]
    write_all(out, names, waves[..., None], rate, overwrite, quiet, inputs)
    if plot is not None and images is not None:
        shown = images[:64]
        rows = {f"{start:03d}": shown[start : start + 8] for start in range(0, len(shown), 8)}
        save_patches(rows, plot, overwrite=overwrite)
        if not quiet:
            print_line(str(plot))


def _refuse(given: dict[str, Any], model: str, needed: str) -> None:
    """Reject options for models of another family.

    Raises:
        click.UsageError: one of them is given.
    """
    for option, value in given.items():
        if value is not None:
            raise click.UsageError(f"{option} needs {needed}, which {model} is not")


def _refuse_beside_latent() -> None:
    """Reject options that have no effect with ``--latent``.

    Raises:
        click.UsageError: such an option is given.
    """
    context = click.get_current_context()
    for option in ("count", "seed", "label", "truncation", "interpolate", "patches"):
        if context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
            name = "class" if option == "label" else option
            raise click.UsageError(f"--{name} has no effect with --latent, whose file determines the sound")


def _from_latent(model: "Generator", path: Path) -> tuple[Any, Any, int]:
    from audioae.errors import InputError
    from audioae.generators.latent import Latent, sound_of

    latent = Latent.load(path)
    try:
        return sound_of(model, latent)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
