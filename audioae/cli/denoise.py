"""``audioae denoise``: clean recordings."""

import click

from audioae.cli import options
from audioae.runtime.jobs import DenoiseOptions, ModelChoice


@click.command()
@options.recordings
@options.model("A denoiser of the package, or the path of a model file or ONNX file.", default="default")
@options.device()
@options.backend
@options.threads
@options.strength
@click.option("--save-removed", metavar="PATH", help="Write the removed noise: a file, or a folder for several.")
@click.option("--plot", metavar="PNG", help="Draw spectrograms before and after: a file, or a folder for several.")
@options.vad
@options.corpus("Clean", "speed, levels and clipped samples of each file")
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
