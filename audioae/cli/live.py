"""``audioae live``: from the microphone to the output."""

import click

from audioae.cli.options import backend as backend_option
from audioae.cli.options import strength, threads
from audioae.cli.terminal import rewrite, say, tell


@click.command()
@click.option("--input", "source", metavar="DEVICE", help="Name or number of the input device.  [default: the system's]")
@click.option("--output", "sink", metavar="DEVICE", help="Name or number of the output device.  [default: the system's]")
@click.option("--list", "listed", is_flag=True, help="List the devices, and do nothing else.")
@click.option("--rate", type=int, default=48_000, show_default=True, metavar="HZ", help="Sample rate of both devices.")
@click.option("--count", type=click.IntRange(1, 64), default=1, show_default=True, metavar="C", help="Number of channels.")
@click.option("--seconds", type=click.FloatRange(0), metavar="S", help="Stop after so long.  [default: at Ctrl-C]")
@click.option(
    "--model", default="conv_dae", show_default=True, help="A model of the package, a bundle's path or an ONNX file's."
)
@backend_option
@threads
@strength
@click.option("-q", "--quiet", is_flag=True, help="Nothing but errors.")
def live(
    source: str | None,
    sink: str | None,
    listed: bool,
    rate: int,
    count: int,
    seconds: float | None,
    model: str,
    backend: str,
    atten_limit: float | None,
    mix: float,
    channels: str,
    quiet: bool,
) -> None:
    """Clean what the microphone hears while you speak, and play it. Wear headphones, or it howls.

    The line that is shown says how late the sound is, how much of the time cleaning takes, and whether anything was lost.
    A virtual cable as the output makes it a microphone for other programs.

    \b
      audioae live --list
      audioae live --input 3 --output "VB-Cable" --backend onnx
    """
    from audioae.infer.jobs import ModelChoice
    from audioae.infer.live import Status, devices, run
    from audioae.infer.streamer import Streamer

    if listed:
        say(devices())
        return
    denoiser = ModelChoice(model, "cpu", backend).load()
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
        run(streamer, count, source, sink, seconds, None if quiet else show)
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        if shown:  # ends the line that it rewrites
            tell()
