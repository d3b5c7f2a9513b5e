"""The command ``audioae`` and what all its commands share: one-line errors and exit codes.

Command modules import torch and the like only when they run, so that ``--help`` is quick.
"""

import errno
import sys
import warnings
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
from audioae.cli.stream import stream
from audioae.cli.train import INTERRUPTED, train
from audioae.errors import AudioaeError, AudioaeWarning


class _Command(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AudioaeError as error:
            click.echo(f"audioae: {error}", err=True)
            sys.exit(1)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                click.echo(f"audioae: {error.filename or 'what is printed'}: cannot be written: {error.strerror}", err=True)
            elif error.filename is not None and error.errno is not None:
                # What the system says of a path: no permission to look there, a name that is too long.
                click.echo(f"audioae: {error.filename}: {error.strerror}", err=True)
            else:
                raise  # EPIPE is a reader who has seen enough, which click ends quietly
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("audioae: interrupted", err=True)
            sys.exit(INTERRUPTED)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="audioae")
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
      audioae live                                       from the microphone to the output
      audioae export MODEL -o model.onnx                 a model for programs without torch
      audioae encode speech.wav -m MODEL -o codes.npz    codes of an autoencoder, and back by decode

    Exit codes: 0 all went well, 1 something could not be done, 2 the command line is wrong, 130 Ctrl-C.
    """
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    # Libraries' warnings are for developers; ours are for the person at the keyboard.
    if issubclass(category, AudioaeWarning):
        click.echo(f"audioae: warning: {message}", err=True)


for command in (
    *(denoise, stream, live, export, train, adapt, models, evaluate),
    *(encode, decode, reconstruct, sample, interpolate, generate),
):
    main.add_command(command)
