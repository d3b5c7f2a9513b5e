"""The command ``audioae`` and what all its commands share: one-line errors and exit codes.

Command modules import torch and the like only when they run, so that ``--help`` is quick.
"""

import errno
import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from audioae import __version__
from audioae.cli.adapt import adapt
from audioae.cli.codes import decode, encode, interpolate, reconstruct, sample
from audioae.cli.denoise import denoise
from audioae.cli.evaluate import evaluate
from audioae.cli.export import export
from audioae.cli.generate import generate
from audioae.cli.live import live
from audioae.cli.models import models
from audioae.cli.recipes import recipes
from audioae.cli.stream import stream
from audioae.cli.studio import studio
from audioae.cli.terminal import check_output, say, tell
from audioae.cli.train import INTERRUPTED, train
from audioae.errors import AudioaeError, AudioaeWarning, DataError, RecipeError


@contextmanager
def _errors_in_words() -> Iterator[None]:
    """Say in a line what goes wrong, and leave with the exit code for it."""
    try:
        yield
    except AudioaeError as error:
        # Two kinds list several mistakes. In the others a newline is part of a name.
        tell(f"audioae: {error}", lines=isinstance(error, DataError | RecipeError))
        sys.exit(1)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        tell(text.getvalue().rstrip("\n"))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)  # who reads standard output has seen enough
    except OSError as error:
        if error.filename is not None and error.errno is not None:
            # What the system says of a path: no permission to look there, a name that is too long.
            tell(f"audioae: {error.filename}: {error.strerror}", lines=False)
        elif error.errno in (errno.ENOSPC, errno.EDQUOT):
            tell(f"audioae: cannot write: {error.strerror}")
        else:
            raise
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        tell("audioae: interrupted")
        sys.exit(INTERRUPTED)


class _Command(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
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
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        with _errors_in_words():
            sys.exit(super().main(args, prog_name, complete_var, False, **extra))


def _show(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        say(f"audioae, version {__version__}" if param.name == "version" else ctx.get_help())
        check_output()
        ctx.exit()


def _flag(*names: str, text: str) -> click.Option:
    """An option that prints something and ends; click's own print past :mod:`audioae.cli.terminal`."""
    return click.Option(names, is_flag=True, is_eager=True, expose_value=False, callback=_show, help=text)


@click.group(cls=_Command, context_settings={"max_content_width": 100})
def main() -> None:
    """Clean and model audio with autoencoders.

    \b
      audioae denoise noisy.wav -o clean.wav             clean a recording
      audioae train recipes/conv_dae.yaml                train a model of your own
      audioae adapt --noise room.wav -o my.safetensors   fit a model to your own noise
      audioae models                                     what comes with the package
      audioae evaluate --pairs samples                   measure models on noisy/clean pairs
      audioae generate dcgan -n 16 -o out/               new sounds from nothing
      audioae stream < noisy.wav > clean.wav             the same in a pipe, while the sound comes
      audioae studio                                     hear and compare in a page of one's own
      audioae live                                       from the microphone to the output
      audioae export MODEL -o model.onnx                 a model for programs without torch
      audioae encode speech.wav -m MODEL -o codes.npz    codes of an autoencoder, and back by decode

    Exit codes: 0 all went well, 1 something could not be done, 2 the command line is wrong, 130 Ctrl-C.
    """
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    # Libraries' warnings are for developers; ours are for the person at the keyboard.
    if issubclass(category, AudioaeWarning):
        tell(f"audioae: warning: {message}", lines=False)


for command in (
    *(denoise, studio, stream, live, export, train, recipes, adapt, models, evaluate),
    *(encode, decode, reconstruct, sample, interpolate, generate),
):
    command.params.append(_flag("-h", "--help", text="Show this message and exit."))
    main.add_command(command)
main.params += [
    _flag("--version", text="Show the version and exit."),
    _flag("-h", "--help", text="Show this message and exit."),
]
