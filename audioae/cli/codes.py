"""``audioae encode``, ``decode``, ``reconstruct`` and ``interpolate``: autoencoders and their codes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from audioae.cli import options
from audioae.cli.terminal import print_line

MODEL = "An autoencoder of the package, or the path of a model file."
SOURCE = click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))


@click.command()
@SOURCE
@options.model(MODEL, required=True)
@options.out("The .npz file to write.")
@options.overwrite
@options.device("cpu")
@options.threads
@options.quiet
def encode(source: Path, model: str, out: Path, overwrite: bool, device: str, quiet: bool) -> None:
    """Encode a recording as an .npz file of codes.

    A code is D numbers for each patch of the recording. In numpy: `codes = numpy.load("codes.npz")`, then `codes["values"]`
    of shape (channels, patches, D), and `codes["times"]`, the start of each patch in seconds.

    \b
      audioae encode speech.wav -m undercomplete_2d -o codes.npz
    """
    from audioae.audio.files import read
    from audioae.autoencoders.autoencoder import Autoencoder
    from audioae.runtime import codes
    from audioae.runtime.loading import resolved

    _check(out, source, overwrite, model)
    wave, rate = read(source)
    _some(wave, source)
    made = codes.encode(wave, rate, resolved(model, Autoencoder, device))
    made.save(out, overwrite)
    channels, patches, size = made.values.shape
    if not quiet:
        print_line(f"{out}: {patches} codes of {size} numbers, {channels} channel{'s' if channels > 1 else ''}")


@click.command()
@SOURCE
@options.model("The autoencoder that made the codes.  [default: the model of the package that the codes name]")
@options.out("The audio file to write.")
@options.overwrite
@options.seed
@click.option("--force", is_flag=True, help="Accept codes of another model, if they are of the same size.")
@options.device("cpu")
@options.threads
@options.quiet
def decode(
    source: Path, model: str | None, out: Path, overwrite: bool, seed: int, force: bool, device: str, quiet: bool
) -> None:
    """Decode an .npz file of codes to audio.

    The phase is estimated by the Griffin-Lim algorithm.

    \b
      audioae decode codes.npz -o speech.wav
      audioae decode codes.npz -m runs/undercomplete_2d/best.safetensors -o speech.wav
    """
    from audioae.autoencoders.autoencoder import Autoencoder
    from audioae.errors import InputError
    from audioae.modelfile import shipped
    from audioae.runtime import codes
    from audioae.runtime.loading import resolved

    _check(out, source, overwrite, model)
    held = codes.Codes.load(source)
    if model is None and held.model in shipped():  # a name in the file is never taken for a path
        model = held.model
    try:
        wave = codes.decode(held, None if model is None else resolved(model, Autoencoder, device), seed, force)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    _write(out, wave, _new(wave, held.rate), overwrite, quiet)


@click.command()
@SOURCE
@options.model(MODEL, required=True)
@options.out("The audio file to write.")
@options.overwrite
@click.option("--phase", type=click.Choice(["input", "griffin_lim"]), default="input", show_default=True,
              help="Phase of the recording, or one estimated from the magnitudes alone.")  # fmt: skip
@click.option("--plot", type=click.Path(path_type=Path), metavar="PNG", help="Draw both spectrograms.")
@options.device("cpu")
@options.threads
@options.quiet
def reconstruct(
    source: Path, model: str, out: Path, overwrite: bool, phase: Any, plot: Path | None, device: str, quiet: bool
) -> None:
    """Encode a recording and decode it again.

    \b
      audioae reconstruct speech.wav -m undercomplete_2d -o rebuilt.wav --plot rebuilt.png
    """
    from audioae.audio.files import read_with_info
    from audioae.autoencoders.autoencoder import Autoencoder
    from audioae.plot import save_spectrograms
    from audioae.runtime import codes
    from audioae.runtime.loading import resolved

    _check(out, source, overwrite, model)
    if plot is not None:
        if plot.resolve() == out.resolve():
            raise click.UsageError(f"{plot}: is given for both the audio and the picture")
        _check(plot, source, overwrite, model)
    wave, info = read_with_info(source)
    _some(wave, source)
    rebuilt = codes.reconstruct(wave, info.rate, resolved(model, Autoencoder, device), phase)
    _write(out, rebuilt, info, overwrite, quiet)
    if plot is not None:
        waves = {f"before: {source.name}": wave[:, 0], "rebuilt": rebuilt[:, 0]}
        save_spectrograms(waves, info.rate, plot, overwrite=overwrite)
        if not quiet:
            print_line(str(plot))


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@options.model(MODEL, required=True)
@options.out("Folder for the results.")
@options.overwrite
@options.seed
@click.option("--steps", type=click.IntRange(2, 1000), default=5, show_default=True,
              help="Number of sounds, both ends included.")  # fmt: skip
@options.device("cpu")
@options.threads
@options.quiet
def interpolate(
    first: Path, second: Path, model: str, out: Path, overwrite: bool, seed: int, steps: int, device: str, quiet: bool
) -> None:
    """Interpolate between the codes of two recordings, A and B.

    \b
      audioae interpolate three.wav eight.wav -m vae_2d -o between/
    """
    from audioae.audio.files import read
    from audioae.autoencoders.autoencoder import Autoencoder
    from audioae.runtime import codes
    from audioae.runtime.loading import resolved
    from audioae.weight_files import locate

    loaded, ends = resolved(model, Autoencoder, device), []
    for path in (first, second):
        wave, rate = read(path)
        _some(wave, path)
        ends.append(codes.encode(wave, rate, loaded))
    between = codes.interpolate(ends[0], ends[1], steps)
    names = [f"{number:03d}.wav" for number in range(steps)]
    waves = [codes.decode(each, loaded, seed) for each in between]
    write_all(out, names, waves, ends[0].rate, overwrite, quiet, inputs=[first, second, locate(model)])


def _check(out: Path, source: Path, overwrite: bool, model: str | None) -> None:
    from audioae.runtime.files import check_target
    from audioae.system.places import check_apart
    from audioae.weight_files import locate

    check_target(out, source, overwrite)
    if model is not None:
        check_apart(out, [locate(model)])


def _some(wave: Any, path: Path) -> None:
    from audioae.errors import InputError

    if not len(wave):
        raise InputError(f"{path}: holds no samples")


def _new(wave: Any, rate: int) -> Any:
    from audioae.audio.formats import AudioInfo

    return AudioInfo(rate, wave.shape[1], len(wave), "WAV", "PCM_16")


def _write(path: Path, wave: Any, info: Any, overwrite: bool, quiet: bool) -> None:
    from audioae.audio.formats import format_for
    from audioae.audio.writer import Writer

    with Writer(path, format_for(path, info), overwrite=overwrite) as file:
        file.write(wave)
    if not quiet:
        print_line(f"{path}: {len(wave) / info.rate:.1f} s at {info.rate} Hz")


def write_all(
    out: Path, names: list[str], waves: Any, rate: int, overwrite: bool, quiet: bool, inputs: Sequence[Path]
) -> None:
    """Write new sounds to a folder, or a single one to the file ``out``; none may exist or be one of the ``inputs``.

    Raises:
        click.UsageError: several sounds, and ``out`` has the name of a file.
        OutputError: one exists, without ``overwrite``, or is an input, or the folder cannot be written.
    """
    from audioae.cli.targets import check_folder, names_recording
    from audioae.errors import OutputError
    from audioae.system.places import check_apart, check_place

    paths = [out / name for name in names]
    if len(names) == 1 and names_recording(str(out)):
        paths = [out]
    else:
        check_folder(str(out))
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{out}: cannot make the folder: {error.strerror}") from None
    for path in paths:
        check_apart(path, inputs)
        check_place(path, overwrite)
    for path, wave in zip(paths, waves, strict=True):
        _write(path, wave, _new(wave, rate), overwrite, quiet)
