"""``audioae live``: from the microphone to the output."""

import click

from audioae.cli import options
from audioae.cli.terminal import print_line, print_message, rewrite


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
    """Clean the microphone's sound and play it.

    Wear headphones to avoid feedback. A status line shows the strength, the latency, the share of time that is spent on
    computing, and whether sound was lost. With a virtual cable as the output, other programs can use the cleaned sound as
    their microphone.

    Keys: + and - change the attenuation limit in steps of 3 dB, up to 30 dB and then no limit. The space bar turns noise
    reduction off and on. Ctrl-C ends.

    \b
      audioae live --list
      audioae live --input 3 --output "VB-Cable" --backend onnx
    """
    from audioae.cli.keys import keys
    from audioae.nn.strength import Strength
    from audioae.runtime.jobs import ModelChoice
    from audioae.runtime.live import Status, devices, run
    from audioae.runtime.signals import unwind_on_signals
    from audioae.runtime.streamer import Streamer

    if listed:
        print_line(devices())
        return
    click.get_current_context().call_on_close(unwind_on_signals())  # so that the terminal is restored
    denoiser = ModelChoice(model, device, backend).load()
    streamer = Streamer(denoiser, rate, atten_limit, mix, channels)

    limit, on, shown = streamer.strength.atten_limit, True, False

    def press(key: str) -> None:
        nonlocal limit, on
        if key == " ":
            on = not on
        elif key in "+=":  # on many keyboards, the same key without shift
            limit, on = stronger(limit), True
        elif key in "-_":
            limit, on = weaker(limit), True
        else:
            return
        streamer.strength = Strength(limit, mix) if on else Strength(mix=0)

    def show(status: Status) -> None:
        nonlocal shown
        for key in pressed() if pressed else "":
            press(key)
        if quiet:
            return
        shown = True
        strength = "off" if not on else "no limit" if limit is None else f"at most {limit:g} dB"
        rewrite(
            f"{status.seconds:.0f} s: {strength}, latency {1000 * status.latency:.0f} ms, "
            f"busy {status.load:.0%}, {status.overruns} overruns, {status.underruns} underruns"
        )

    try:
        with keys() as pressed:
            if pressed and not quiet:
                print_message("keys: + and - change the strength, space turns noise reduction off and on, Ctrl-C ends")
            run(streamer, count or input_channels, source, sink, seconds, show)
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        if shown:  # ends the line that it rewrites
            print_message()


STEP, MOST = 3.0, 30.0
"""Step and highest value of the attenuation limit in dB, above which there is no limit."""


def stronger(limit: float | None) -> float | None:
    """The next larger attenuation limit in dB; None is no limit.

    >>> stronger(10), stronger(30)
    (12.0, None)
    """
    higher = MOST if limit is None else (limit // STEP + 1) * STEP
    return higher if limit is not None and higher <= MOST else None


def weaker(limit: float | None) -> float:
    """The next smaller attenuation limit in dB.

    >>> weaker(None), weaker(10), weaker(0)
    (30.0, 9.0, 0.0)
    """
    lower = MOST if limit is None else (-(-limit // STEP) - 1) * STEP
    return min(MOST, max(0.0, lower))
