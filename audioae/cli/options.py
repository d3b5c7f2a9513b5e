"""Options that several commands have: what runs the network, on how many threads, and how strongly it cleans."""

from collections.abc import Callable
from typing import Any

import click

from audioae.cli.threads import at_most

Command = Callable[..., Any]


def threads(command: Command) -> Command:
    """``--threads``, which holds as long as the command runs."""

    def limit(context: click.Context, _: click.Parameter, count: int | None) -> None:
        if count is not None:
            context.with_resource(at_most(count))

    return click.option(
        "--threads",
        type=click.IntRange(1, 1024),
        metavar="N",
        callback=limit,
        expose_value=False,
        help="Compute with at most so many CPU threads; small work takes one.  [default: OMP_NUM_THREADS, or all cores]",
    )(command)


def backend(command: Command) -> Command:
    """``--backend``."""
    return click.option(
        "--backend",
        type=click.Choice(["torch", "onnx"]),
        default="torch",
        show_default=True,
        help="What runs the network; a file of `audioae export` is always run by onnx.",
    )(command)


def strength(command: Command) -> Command:
    """``--atten-limit``, ``--mix`` and ``--channels``."""
    for option in (
        click.option(
            "--channels",
            type=click.Choice(["linked", "independent"]),
            default="linked",
            show_default=True,
            help="One mask for all channels, which keeps the stereo image, or one each.",
        ),
        click.option("--mix", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="1 cleaned, 0 the input."),
        click.option("--atten-limit", type=click.FloatRange(0), metavar="DB", help="Attenuate by at most so many dB."),
    ):
        command = option(command)
    return command
