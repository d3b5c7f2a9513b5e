"""``audioae denoise``: clean recordings."""

import click

from audioae.cli import options
from audioae.runtime.jobs import DenoiseOptions, ModelChoice


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--out", metavar="PATH", help="Result: a file, a folder for several, - for standard output."
              "  [default: NAME.clean.ENDING beside the input]")  # fmt: skip
@click.option("--recursive", is_flag=True, help="Search folders within folders too; -o keeps the tree.")
@options.overwrite
@options.model("A denoiser of the package, or the path of a model file or ONNX file.", default="default")
@options.device()
@options.backend
@options.threads
@options.strength
@click.option("--save-removed", metavar="PATH", help="Write the removed noise: a file, or a folder for several.")
@click.option("--plot", metavar="PNG", help="Draw spectrograms before and after: a file, or a folder for several.")
@options.vad
@click.option("--bitrate", type=click.IntRange(1, 4096), metavar="KBIT", help="Bit rate of results in lossy codecs."
              "  [default: that of the input]")  # fmt: skip
@options.media
@click.option("--report", metavar="JSON", help="Write speed, levels and clipped samples of each file as JSON.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="Clean N recordings, or parts of one, in parallel."
              "  [default: one recording at a time, parts of a long one on every core]")  # fmt: skip
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
              help="ray: use all machines of the Ray cluster at RAY_ADDRESS.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Keep a journal in the folder of the results and skip what is done and "
              "unchanged; after a stop, give the same command again.")  # fmt: skip
@click.option("--salvage", is_flag=True, help="Clean the readable part of damaged recordings.")
@options.quiet
@click.option("-v", "--verbose", is_flag=True, help="Print more about each file.")
def denoise(
    inputs: tuple[str, ...],
    out: str | None,
    recursive: bool,
    overwrite: bool,
    model: str,
    device: str,
    backend: str,
    atten_limit: float | None,
    mix: float,
    channels: str,
    save_removed: str | None,
    plot: str | None,
    vad: str | None,
    vad_format: str | None,
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
    """Remove noise from speech recordings.

    INPUT is any number of files, globs and folders, or - for WAV on standard input. Sample rate, channels, bit depth,
    bit rate, tags and length stay as they are.

    \b
      audioae denoise noisy.wav -o clean.wav
      audioae denoise interview.flac --atten-limit 20      keep some of the room
      audioae denoise recordings/ -o cleaned/ --recursive --jobs 4 --resume
      sox in.mp3 -t wav - | audioae denoise - -o - > clean.wav
    """
    from audioae.cli.recordings import Recordings, process

    all_of = Recordings(
        inputs, out, recursive, save_removed, plot, vad, vad_format, report, jobs, engine, resume, quiet, verbose
    )
    chosen = DenoiseOptions(
        atten_limit,
        mix,
        channels,
        overwrite,
        salvage,
        bitrate=1000 * (bitrate or 0),
        codec=codec or "",
        track=track or 0,
        loudness=loudness,
    )
    process(all_of, ModelChoice(model, device, backend), chosen)
