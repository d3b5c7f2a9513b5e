"""``audioae live``: from the microphone to the output."""

import click

from audioae.cli import options
from audioae.cli.terminal import rewrite, say, tell


@click.command()
@click.option("--input", "source", metavar="DEVICE", help="Name or number of the input device.  [default: the system's]")
@click.option("--output", "sink", metavar="DEVICE", help="Name or number of the output device.  [default: the system's]")
@click.option("--list", "listed", is_flag=True, help="List the audio devices and exit.")
@click.option("--rate", type=int, default=48_000, show_default=True, metavar="HZ", help="Sample rate of both devices.")
@options.input_channels("Number of channels to record.")
@click.option("--seconds", type=click.FloatRange(0), metavar="S", help="Stop after S seconds.  [default: at Ctrl-C]")
@options.model("A denoiser of the package, or the path of a model file or ONNX file.", default="conv_dae")
@options.device("cpu")
@options.backend
@options.threads
@options.strength
@options.quiet
def live(
    source: str | None,
    sink: str | None,
    listed: bool,
    rate: int,
    input_channels: int,
    count: int | None,
    seconds: float | None,
    model: str,
    device: str,
    backend: str,
    atten_limit: float | None,
    mix: float,
    channels: str,
    quiet: bool,
) -> None:
    """Clean the microphone's sound and play it. Wear headphones to avoid feedback.

    A status line shows the latency, the share of time that is spent on computing, and whether sound was lost.
    With a virtual cable as the output, other programs can use the cleaned sound as their microphone.

    \b
      audioae live --list
      audioae live --input 3 --output "VB-Cable" --backend onnx
    """
    from audioae.runtime.jobs import ModelChoice
    from audioae.runtime.live import Status, devices, run
    from audioae.runtime.streamer import Streamer

    if listed:
        say(devices())
        return
    denoiser = ModelChoice(model, device, backend).load()
    streamer = Streamer(denoiser, rate, atten_limit, mix, channels)

    shown = False

    def show(status: Status) -> None:
        nonlocal shown
        shown = True
        text = (
            f"{status.seconds:.0f} s: latency {1000 * status.latency:.0f} ms, busy {status.load:.0%}, "
            f"{status.overruns} overruns, {status.underruns} underruns"
        )
        rewrite(text)

    try:
        run(streamer, count or input_channels, source, sink, seconds, None if quiet else show)
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        if shown:  # ends the line that it rewrites
            tell()
