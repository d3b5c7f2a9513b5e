"""Options that several commands have: what runs the network, and how strongly it cleans."""

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]


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
