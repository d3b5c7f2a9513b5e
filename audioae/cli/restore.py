"""``audioae restore``: repair damaged recordings."""

import click

from audioae.cli import options
from audioae.runtime.jobs import DenoiseOptions, ModelChoice


def _repairs(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The kinds of damage in a list with commas; all of them by default."""
    from audioae.errors import InputError
    from audioae.signal.damage import check_repairs

    try:
        return check_repairs([name.strip() for name in value.split(",")] if value else [])
    except InputError as error:
        raise click.BadParameter(str(error), context, parameter) from None


@click.command()
@options.recordings
@click.option("--only", metavar="LIST", callback=_repairs, help="Repair only these kinds of damage, separated by commas: "
              "clipping, dropouts, bandwidth, reverb.  [default: all that are found]")  # fmt: skip
@click.option("--denoise", is_flag=True, help="Remove noise afterwards, by the default denoiser.")
@options.model("A restorer of the package, or the path of a model file.", default="restore")
@options.device()
@options.threads
@click.option("--save-removed", metavar="PATH", help="Write the difference between recording and result: a file, or a "
              "folder for several.")  # fmt: skip
@click.option("--plot", metavar="PNG", help="Draw spectrograms before and after: a file, or a folder for several.")
@options.corpus("Restore", "what was found in each file, with times,")
def restore(
    inputs: tuple[str, ...],
    out: str | None,
    recursive: bool,
    overwrite: bool,
    only: tuple[str, ...],
    denoise: bool,
    model: str,
    device: str,
    save_removed: str | None,
    plot: str | None,
    bitrate: int | None,
    codec: str | None,
    track: int | None,
    loudness: float | None,
    report: str | None,
    jobs: int | None,
    engine: str,
    resume: bool,
    salvage: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Repair damaged speech recordings: clipping, dropouts, a missing upper band, reverberation.

    INPUT is any number of files, globs and folders, or - for WAV on standard input. Damage is found first, and only what is
    found is repaired: samples beside clipping and dropouts stay as they are. Noise stays, unless --denoise removes it.
    Sample rate, channels, bit depth, bit rate, tags and length stay as they are; a recording at 8 kHz gets no upper band.

    \b
      audioae restore clipped.wav -o restored.wav
      audioae restore call.wav -o call-restored.wav --only dropouts,bandwidth
      audioae restore recordings/ -o restored/ --recursive --report damage.json
      audioae restore interview.mp4 --denoise
    """
    from audioae.cli.recordings import Recordings, process

    all_of = Recordings(inputs, out, recursive, save_removed, plot, None, None, report, jobs, engine, resume, quiet, verbose)
    chosen = DenoiseOptions(
        overwrite=overwrite,
        salvage=salvage,
        bitrate=1000 * (bitrate or 0),
        codec=codec or "",
        track=track or 0,
        loudness=loudness,
        repairs=only,
        denoise="default" if denoise else "",
    )
    process(all_of, ModelChoice(model, device, restores=True), chosen)
