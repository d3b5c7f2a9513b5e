"""``audioae stream``: cleans standard input to standard output."""

import click

from audioae.cli import options
from audioae.cli.terminal import print_message


@click.command()
@click.option("--rate", type=int, metavar="HZ", help="Input and output are raw samples at this rate."
              "  [default: WAV]")  # fmt: skip
@options.input_channels("Number of channels of raw samples.")
@click.option("--encoding", type=click.Choice(["u8", "s16", "s24", "s32", "f32", "f64"]), default="s16", show_default=True,
              help="Format of raw samples: little-endian integers or floats of so many bits.")  # fmt: skip
@options.model("A denoiser of the package, or the path of a model file or ONNX file.", default="conv_dae")
@options.device("cpu")
@options.backend
@options.threads
@options.strength
@click.option("-v", "--verbose", is_flag=True, help="At the end, print speed, latency and the slowest chunk.")
def stream(
    rate: int | None,
    input_channels: int,
    count: int | None,
    encoding: str,
    model: str,
    device: str,
    backend: str,
    atten_limit: float | None,
    mix: float,
    channels: str,
    verbose: bool,
) -> None:
    """Clean standard input to standard output as it arrives.

    The latency is 32 ms with the default model, conv_dae, which is causal; `audioae models` lists the latency of others.
    Length and format stay as they are.

    \b
      ffmpeg -i talk.mp4 -f wav - | audioae stream | ffmpeg -i - clean.mp3
      sox -d -t raw -r 48000 -e signed -b 16 -c 1 - | audioae stream --rate 48000 | aplay -f S16_LE -r 48000
    """
    from audioae.audio.standard import standard_input, write_output
    from audioae.runtime.jobs import ModelChoice
    from audioae.runtime.pcm import Pcm
    from audioae.runtime.pipe import stream as run
    from audioae.runtime.sources import RawSource, Source, WavSource
    from audioae.runtime.streamer import Streamer

    given = standard_input()
    source: Source = WavSource(given) if rate is None else RawSource(given, Pcm(rate, count or input_channels, encoding))
    denoiser = ModelChoice(model, device, backend).load()
    streamer = Streamer(denoiser, source.pcm.rate, atten_limit, mix, channels)

    if rate is None:
        write_output(source.pcm.header)
    flow = run(streamer, source, write_output)
    if verbose:
        latency = 1000 * streamer.latency_samples / source.pcm.rate
        speed = flow.seconds / max(flow.working, 1e-9)
        print_message(
            f"{flow.seconds:.1f} s at {speed:.0f}x; latency {latency:.0f} ms; slowest chunk {1000 * flow.slowest:.1f} ms, "
            f"{flow.late} of {flow.chunks} slower than they last",
        )
