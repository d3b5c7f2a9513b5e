"""``audioae stream``: a part of a pipe that cleans what flows through it."""

import click

from audioae.cli.options import backend as backend_option
from audioae.cli.options import strength, threads
from audioae.cli.terminal import tell


@click.command()
@click.option("--rate", type=int, metavar="HZ", help="The input is raw samples at this rate, and so is the output."
              "  [default: WAV, which says it itself]")  # fmt: skip
@click.option("--count", type=click.IntRange(1, 64), default=1, show_default=True, metavar="C",
              help="Number of channels of raw samples.")  # fmt: skip
@click.option("--encoding", type=click.Choice(["u8", "s16", "s24", "s32", "f32", "f64"]), default="s16", show_default=True,
              help="Of raw samples, little-endian: integers of so many bits, or floats.")  # fmt: skip
@click.option(
    "--model", default="conv_dae", show_default=True, help="A model of the package, a bundle's path or an ONNX file's."
)
@backend_option
@threads
@strength
@click.option("-v", "--verbose", is_flag=True, help="At the end, say how long it took and whether it kept up.")
def stream(
    rate: int | None,
    count: int,
    encoding: str,
    model: str,
    backend: str,
    atten_limit: float | None,
    mix: float,
    channels: str,
    verbose: bool,
) -> None:
    """Clean standard input to standard output while it comes, for pipes and live sound.

    What goes in comes out 32 ms later with the default model, which looks back only; others say their latency in `audioae
    models`. Length and format stay as they are.

    \b
      ffmpeg -i talk.mp4 -f wav - | audioae stream | ffmpeg -i - clean.mp3
      sox -d -t raw -r 48000 -e signed -b 16 -c 1 - | audioae stream --rate 48000 | aplay -f S16_LE -r 48000
    """
    from audioae.audio.standard import standard_input, write_output
    from audioae.infer.jobs import ModelChoice
    from audioae.infer.pcm import Pcm
    from audioae.infer.pipe import stream as run
    from audioae.infer.sources import RawSource, Source, WavSource
    from audioae.infer.streamer import Streamer

    given = standard_input()
    source: Source = WavSource(given) if rate is None else RawSource(given, Pcm(rate, count, encoding))
    denoiser = ModelChoice(model, "cpu", backend).load()
    streamer = Streamer(denoiser, source.pcm.rate, atten_limit, mix, channels)

    if rate is None:
        write_output(source.pcm.header)
    flow = run(streamer, source, write_output)
    if verbose:
        latency = 1000 * streamer.latency_samples / source.pcm.rate
        speed = flow.seconds / max(flow.working, 1e-9)
        tell(
            f"{flow.seconds:.1f} s at {speed:.0f}x; latency {latency:.0f} ms; slowest chunk {1000 * flow.slowest:.1f} ms, "
            f"{flow.late} of {flow.chunks} slower than they last",
        )
