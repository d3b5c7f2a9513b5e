"""The command ``audioae``: its commands in sections, and errors and exit codes in one format.

Command modules import torch and other large libraries only when they run, so that ``--help`` is quick.
"""

import errno
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from audioae import __version__
from audioae.cli.adapt import adapt
from audioae.cli.codes import decode, encode, interpolate, reconstruct
from audioae.cli.denoise import denoise
from audioae.cli.evaluate import evaluate
from audioae.cli.export import export
from audioae.cli.generate import generate
from audioae.cli.live import live
from audioae.cli.models import models
from audioae.cli.recipes import recipes
from audioae.cli.restore import restore
from audioae.cli.stream import stream
from audioae.cli.studio import studio
from audioae.cli.terminal import check_output, print_line, print_message
from audioae.cli.train import INTERRUPTED, train
from audioae.errors import AudioaeError, AudioaeWarning, DataError, RecipeError

SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Clean": (denoise, restore, stream, live),
    "Train": (train, recipes, adapt),
    "Autoencoders": (encode, decode, reconstruct, interpolate),
    "Generators": (generate,),
    "Tools": (models, evaluate, export, studio),
}
"""The commands in the order of the help."""
ALIASES = {"sample": generate}
"""Names of earlier versions, which the help leaves out."""


@contextmanager
def _errors_in_words() -> Iterator[None]:
    """Print errors in one format, ``audioae: message``, and exit with their code."""
    try:
        yield
    except AudioaeError as error:
        # Two kinds list several mistakes. In the others a newline is part of a name.
        print_message(f"audioae: {error}", lines=isinstance(error, DataError | RecipeError))
        sys.exit(1)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "audioae"
        print_message(f"audioae: {error.format_message()}\nSee `{command} --help`.")
        sys.exit(error.exit_code)
    except click.ClickException as error:
        print_message(f"audioae: {error.format_message()}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)  # the reader of standard output has closed it
    except OSError as error:
        if error.filename is not None and error.errno is not None:
            # A path that the system refuses: no permission, or a name that is too long.
            print_message(f"audioae: {error.filename}: {error.strerror}", lines=False)
        elif error.errno in (errno.ENOSPC, errno.EDQUOT):
            print_message(f"audioae: cannot write: {error.strerror}")
        else:
            raise
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        print_message("audioae: interrupted")
        sys.exit(INTERRUPTED)


class _Commands(click.Group):
    """The group of all commands, with its help in sections."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section's commands with the first sentence of their help."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(each.name or "", _sentence(each)) for each in commands])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Text that could not be written to standard output is an error."""
        with _errors_in_words():
            made = super().invoke(ctx)
            check_output()
            return made

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        with _errors_in_words():
            sys.exit(super().main(args, prog_name, complete_var, False, **extra))


def _sentence(command: click.Command) -> str:
    """The first sentence of a command's help."""
    return " ".join((command.help or "").split("\n\n")[0].split())


def _show(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        print_line(f"audioae, version {__version__}" if param.name == "version" else ctx.get_help())
        check_output()
        ctx.exit()


def _flag(*names: str, text: str) -> click.Option:
    """An option that prints something and exits. It is never read from the environment."""
    return click.Option(
        names, is_flag=True, is_eager=True, expose_value=False, callback=_show, help=text, allow_from_autoenv=False
    )


@click.group(cls=_Commands, context_settings={"max_content_width": 100, "auto_envvar_prefix": "AUDIOAE"})
def main() -> None:
    """Remove noise from speech recordings; train autoencoders and generators on audio.

    \b
      audioae denoise noisy.wav -o clean.wav
      audioae COMMAND --help

    Each option can also be set by an environment variable, AUDIOAE_COMMAND_OPTION: AUDIOAE_DENOISE_MODEL=conv_dae.
    Exit codes: 0 success, 1 failure, 2 wrong command line, 130 Ctrl-C.
    """
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    # Warnings of libraries are for developers.
    if issubclass(category, AudioaeWarning):
        print_message(f"audioae: warning: {message}", lines=False)


for command in (each for commands in SECTIONS.values() for each in commands):
    command.params.append(_flag("-h", "--help", text="Show this message and exit."))
    main.add_command(command)
for alias, command in ALIASES.items():
    main.add_command(command, alias)
main.params += [
    _flag("--version", text="Show the version and exit."),
    _flag("-h", "--help", text="Show this message and exit."),
]
