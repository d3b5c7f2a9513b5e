"""``audioae encode``, ``decode``, ``reconstruct``, ``sample`` and ``interpolate``: autoencoders at work on their codes."""

from pathlib import Path
from typing import Any

import click

from audioae.cli.options import threads
from audioae.cli.terminal import say

MODEL = click.option("-m", "--model", required=True, help="An autoencoder of the package, or a bundle's path.")
OUT = click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
FOLDER = click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace results that are there.")
SEED = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="The same seed, the same sound."
)
SOURCE = click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))


@click.command()
@SOURCE
@MODEL
@OUT
@OVERWRITE
@threads
def encode(source: Path, model: str, out: Path, overwrite: bool) -> None:
    """Turn a recording into codes, an .npz file: D numbers for each patch, and the second that it begins at.

    \b
      audioae encode speech.wav -m runs/undercomplete_2d/best.safetensors -o codes.npz

    In numpy: `codes = numpy.load("codes.npz")`, then `codes["values"]` (channels, patches, D) and `codes["times"]`.
    """
    from audioae.audio.files import read
    from audioae.infer import codes

    _check(out, source, overwrite)
    wave, rate = read(source)
    _some(wave, source)
    made = codes.encode(wave, rate, model)
    made.save(out, overwrite)
    channels, patches, size = made.values.shape
    say(f"{out}: {patches} codes of {size} numbers, {channels} channel{'s' if channels > 1 else ''}")


@click.command()
@SOURCE
@click.option("-m", "--model", help="The autoencoder that made the codes, or its bundle's path."
              "  [default: the one of the package that they name]")  # fmt: skip
@OUT
@OVERWRITE
@SEED
@threads
@click.option("--force", is_flag=True, help="Take codes of another model, if they are of the same size.")
def decode(source: Path, model: str | None, out: Path, overwrite: bool, seed: int, force: bool) -> None:
    """Turn codes, an .npz file that `encode` wrote, back into sound; the phase is made up (Griffin-Lim).

    \b
      audioae decode codes.npz -o speech.wav
      audioae decode codes.npz -m runs/undercomplete_2d/best.safetensors -o speech.wav
    """
    from audioae.errors import InputError
    from audioae.infer import codes

    _check(out, source, overwrite)
    held = codes.Codes.load(source)
    try:
        wave = codes.decode(held, model, seed, force)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    _write(out, wave, _new(wave, held.rate), overwrite)


@click.command()
@SOURCE
@MODEL
@OUT
@OVERWRITE
@click.option("--phase", type=click.Choice(["input", "griffin_lim"]), default="input", show_default=True,
              help="The recording's own phase, or a made up one: what the codes alone can do.")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), metavar="PNG", help="Draw both spectrograms.")
@threads
def reconstruct(source: Path, model: str, out: Path, overwrite: bool, phase: Any, plot: Path | None) -> None:
    """Send a recording through an autoencoder, to hear what its codes keep.

    \b
      audioae reconstruct speech.wav -m runs/undercomplete_2d/best.safetensors -o rebuilt.wav
    """
    from audioae.audio.files import read_with_info
    from audioae.infer import codes
    from audioae.plot import save_spectrograms

    _check(out, source, overwrite)
    if plot is not None:
        if plot.resolve() == out.resolve():
            raise click.UsageError(f"{plot}: would be both the sound and the picture")
        _check(plot, source, overwrite)
    wave, info = read_with_info(source)
    _some(wave, source)
    rebuilt = codes.reconstruct(wave, info.rate, model, phase)
    _write(out, rebuilt, info, overwrite)
    if plot is not None:
        waves = {f"before: {source.name}": wave[:, 0], "rebuilt": rebuilt[:, 0]}
        save_spectrograms(waves, info.rate, plot, overwrite=overwrite)
        say(str(plot))


@click.command()
@MODEL
@FOLDER
@OVERWRITE
@SEED
@click.option("-n", "--count", type=click.IntRange(1, 10_000), default=8, show_default=True, help="How many sounds.")
@click.option("--patches", type=click.IntRange(1, 10_000), default=1, show_default=True,
              help="Patches of each, drawn independently.")  # fmt: skip
@threads
def sample(model: str, out: Path, overwrite: bool, seed: int, count: int, patches: int) -> None:
    """Draw new sounds from a variational autoencoder.

    \b
      audioae sample -m runs/vae_2d/best.safetensors -n 8 -o sounds/
    """
    from audioae.infer import codes

    waves, rate = codes.sample(model, count, seed, patches)
    write_all(out, [f"{number:03d}.wav" for number in range(count)], waves[..., None], rate, overwrite)


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@MODEL
@FOLDER
@OVERWRITE
@SEED
@click.option("--steps", type=click.IntRange(2, 1000), default=5, show_default=True, help="Sounds, both ends included.")
@threads
def interpolate(first: Path, second: Path, model: str, out: Path, overwrite: bool, seed: int, steps: int) -> None:
    """Go from recording A to recording B on a straight line between their codes.

    \b
      audioae interpolate three.wav eight.wav -m runs/vae_2d/best.safetensors -o between/
    """
    from audioae.audio.files import read
    from audioae.infer import codes

    ends = []
    for path in (first, second):
        wave, rate = read(path)
        _some(wave, path)
        ends.append(codes.encode(wave, rate, model))
    between = codes.interpolate(ends[0], ends[1], steps)
    names = [f"{number:03d}.wav" for number in range(steps)]
    write_all(out, names, [codes.decode(each, model, seed) for each in between], ends[0].rate, overwrite)


def _check(out: Path, source: Path, overwrite: bool) -> None:
    from audioae.infer.files import check_target

    check_target(out, source, overwrite)


def _some(wave: Any, path: Path) -> None:
    from audioae.errors import InputError

    if not len(wave):
        raise InputError(f"{path}: holds no samples")


def _new(wave: Any, rate: int) -> Any:
    from audioae.audio.formats import AudioInfo

    return AudioInfo(rate, wave.shape[1], len(wave), "WAV", "PCM_16")


def _write(path: Path, wave: Any, info: Any, overwrite: bool) -> None:
    from audioae.audio.formats import format_for
    from audioae.audio.writer import Writer

    with Writer(path, format_for(path, info), overwrite=overwrite) as file:
        file.write(wave)
    say(f"{path}: {len(wave) / info.rate:.1f} s at {info.rate} Hz")


def write_all(folder: Path, names: list[str], waves: Any, rate: int, overwrite: bool) -> None:
    """New sounds to files of a folder, none of which is there yet.

    Raises:
        click.UsageError: the folder's name is that of a file.
        OutputError: one is, without ``overwrite``, or the folder cannot be written.
    """
    from audioae.cli.targets import check_folder
    from audioae.errors import OutputError
    from audioae.places import check_place

    check_folder(str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot make the folder: {error.strerror}") from None
    for name in names:
        check_place(folder / name, overwrite)
    for name, wave in zip(names, waves, strict=True):
        _write(folder / name, wave, _new(wave, rate), overwrite)
