"""Options that several commands share. Each has the same name and the same meaning on every command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from audioae.cli.threads import at_most
from audioae.weight_files import names

Command = Callable[..., Any]
_PURPOSE = "audioae.purpose"


def _shipped(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem | str]:
    """Completions of a model: names of the package without loading torch, else files."""
    return [name for name in sorted(names()) if name.startswith(begun)] or [CompletionItem(begun, type="file")]


def model(
    what: str = "A model of the package, or the path of a model file.", default: str | None = None, required: bool = False
) -> Callable[[Command], Command]:
    """``-m`` and ``--model``."""
    return click.option(
        "-m",
        "--model",
        default=default,
        required=required,
        show_default=default is not None,
        shell_complete=_shipped,
        help=what,
    )


def model_argument(command: Command) -> Command:
    """A model as an argument, which earlier versions took in place of ``--model``; see :func:`one_model`."""
    return click.argument("argument", metavar="[MODEL]", required=False, shell_complete=_shipped)(command)


def one_model(argument: str | None, option: str | None, default: str | None = None) -> str:
    """The model of a command line that may name it by an argument or by ``--model``.

    Raises:
        click.UsageError: named twice, or not at all where there is no default.
    """
    context = click.get_current_context()
    if argument is not None and context.get_parameter_source("model") is ParameterSource.ENVIRONMENT:
        option = None
    if argument is not None and option is not None:
        raise click.UsageError(f"the model is given twice, as {argument} and as --model {option}")
    chosen = argument or option or default
    if chosen is None:
        raise click.UsageError("give a model by -m or --model; `audioae models` lists those of the package")
    return chosen


def out(what: str, required: bool = True) -> Callable[[Command], Command]:
    """``-o`` and ``--out``, a file or a folder."""
    return click.option("-o", "--out", required=required, type=click.Path(path_type=Path), metavar="PATH", help=what)


def input_channels(what: str) -> Callable[[Command], Command]:
    """``--input-channels``, and ``--count``, its name in earlier versions."""

    def decorate(command: Command) -> Command:
        kind = click.IntRange(1, 64)
        command = click.option("--count", type=kind, hidden=True)(command)
        return click.option("--input-channels", type=kind, default=1, show_default=True, metavar="C", help=what)(command)

    return decorate


def overwrite(command: Command) -> Command:
    """``--overwrite``."""
    return click.option("--overwrite", is_flag=True, help="Replace results that exist; the input itself is never replaced.")(
        command
    )


def device(default: str = "auto") -> Callable[[Command], Command]:
    """``--device``."""
    return click.option(
        "--device", default=default, show_default=True, metavar="NAME", help="Where torch runs: auto, cpu, cuda or mps."
    )


def quiet(command: Command) -> Command:
    """``-q`` and ``--quiet``."""
    return click.option("-q", "--quiet", is_flag=True, help="Print no progress, only errors and final figures.")(command)


def seed(command: Command) -> Command:
    """``--seed``."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=0,
        show_default=True,
        help="Seed of the random numbers; the same seed gives the same sound.",
    )(command)


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
        help="Use at most N CPU threads; short recordings take one.  [default: OMP_NUM_THREADS, or all cores]",
    )(command)


def backend(command: Command) -> Command:
    """``--backend``."""
    return click.option(
        "--backend",
        type=click.Choice(["torch", "onnx"]),
        default="torch",
        show_default=True,
        help="Library that runs the network; .onnx files are always run by onnxruntime. onnx exports a model at the first "
        "use at a sample rate, keeps it in the user's cache folder, and then starts without torch.",
    )(command)


def media(command: Command) -> Command:
    """``--codec``, ``--track`` and ``--loudness``."""
    for option in (
        click.option("--loudness", type=click.FloatRange(-70, -5), metavar="LUFS", help="Integrated loudness of the result "
                     "by EBU R128, such as -16, with true peaks of at most -1 dBTP.  [default: unchanged]"),
        click.option("--track", type=click.IntRange(1, 1024), metavar="N", help="Clean the Nth sound track of media files."
                     "  [default: the one that players choose]"),
        click.option("--codec", metavar="NAME", help="Codec of the sound of media files, such as aac, opus or flac."
                     "  [default: that of the input]"),
    ):  # fmt: skip
        command = option(command)
    return command


def _limit(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """The attenuation limit, which ``--for`` sets too."""
    from audioae.nn.strength import FOR_ASR

    if not context.meta.get(_PURPOSE):
        return value
    if value is not None:
        raise click.UsageError(f"--for asr sets --atten-limit to {FOR_ASR:g} dB: give one of the two", context)
    return FOR_ASR


def _purpose(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    context.meta[_PURPOSE] = value


def vad(command: Command) -> Command:
    """``--vad`` and ``--vad-format``."""
    for option in (
        click.option("--vad-format", type=click.Choice(["json", "csv", "rttm", "srt"]), help="Format of --vad."
                     "  [default: by its ending; json in a folder]"),
        click.option("--vad", metavar="PATH", help="Write where speech is: a file (.json, .csv, .rttm or .srt), or a folder "
                     "for several."),
    ):  # fmt: skip
        command = option(command)
    return command


def strength(command: Command) -> Command:
    """``--atten-limit``, ``--for``, ``--mix`` and ``--channels``."""
    for option in (
        click.option(
            "--channels",
            type=click.Choice(["linked", "independent"]),
            default="linked",
            show_default=True,
            help="One mask for all channels, which keeps the stereo image, or one for each.",
        ),
        click.option(
            "--mix",
            type=click.FloatRange(0, 1),
            default=1.0,
            show_default=True,
            help="Share of the cleaned sound in the result: 1 is cleaned, 0 is the input.",
        ),
        click.option("--for", type=click.Choice(["asr"]), is_eager=True, expose_value=False, callback=_purpose,
                     help="asr: the attenuation limit with the lowest word error rate of speech recognition."),
        click.option("--atten-limit", type=click.FloatRange(0), metavar="DB", callback=_limit,
                     help="Attenuate noise by at most DB decibels."),
    ):  # fmt: skip
        command = option(command)
    return command


def recordings(command: Command) -> Command:
    """The recordings to process and where their results go: ``INPUT...``, ``-o``, ``--recursive`` and ``--overwrite``."""
    for option in (
        overwrite,
        click.option("--recursive", is_flag=True, help="Search folders within folders too; -o keeps the tree."),
        click.option("-o", "--out", metavar="PATH", help="Result: a file, a folder for several, - for standard output."
                     "  [default: NAME.clean.ENDING beside the input]"),
        click.argument("inputs", nargs=-1, required=True, metavar="INPUT..."),
    ):  # fmt: skip
        command = option(command)
    return command


def corpus(verb: str, reported: str) -> Callable[[Command], Command]:
    """Options of processing: bit rate, media, report, parallel work, resuming, damaged files and messages.

    Args:
        verb: what the command does, such as ``Clean``.
        reported: what ``--report`` writes.
    """

    def decorate(command: Command) -> Command:
        for option in (
            click.option("-v", "--verbose", is_flag=True, help="Print more about each file."),
            quiet,
            click.option("--salvage", is_flag=True, help=f"{verb} the readable part of damaged files."),
            click.option("--resume", is_flag=True, help="Keep a journal in the folder of the results and skip what is done "
                         "and unchanged; after a stop, give the same command again."),
            click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
                         help="ray: use all machines of the Ray cluster at RAY_ADDRESS."),
            click.option("--jobs", type=click.IntRange(1), metavar="N", help=f"{verb} N recordings, or parts of one, in "
                         "parallel.  [default: one recording at a time, parts of a long one on every core]"),
            click.option("--report", metavar="JSON", help=f"Write {reported} as JSON."),
            media,
            click.option("--bitrate", type=click.IntRange(1, 4096), metavar="KBIT", help="Bit rate of results in lossy "
                         "codecs.  [default: that of the input]"),
        ):  # fmt: skip
            command = option(command)
        return command

    return decorate
