"""All that is printed: the only module that writes to the terminal.

Control characters in names and in other people's texts are escaped here. Standard error is for people: what cannot be
written there is dropped. What cannot be written to standard output makes the command fail, once its work is done.
"""

import sys
import traceback
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TextIO

import click

from audioae.audio.standard import write, write_output
from audioae.errors import OutputError
from audioae.system.printable import printable

_FAILED = "audioae.output_failed"


def say(text: str = "", end: str = "\n") -> None:
    """Print text to standard output; :func:`check_output` tells later whether that failed."""
    context = click.get_current_context()
    if _FAILED not in context.meta:
        try:
            write_output(_encoded(sys.stdout, printable(text) + end))
        except (OutputError, BrokenPipeError) as error:
            context.meta[_FAILED] = error


def check_output() -> None:
    """Raise what kept :func:`say` from writing.

    Raises:
        OutputError: standard output is full or closed.
        BrokenPipeError: nobody reads it any more.
    """
    error: OutputError | BrokenPipeError | None = click.get_current_context().meta.get(_FAILED)
    if error is not None:
        raise error


def tell(text: str = "", lines: bool = True) -> None:
    """Print a message to standard error, above a bar if there is one.

    Args:
        text: to be printed.
        lines: whether newlines in it are meant; a name may hold some.
    """
    safe, screen = printable(text, lines) + "\n", Screen(sys.stderr)
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(safe, file=screen, end="")
    else:  # there is no bar yet
        screen.write(safe)


def tell_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A traceback, as Python's own ``sys.excepthook`` prints it, but for control characters in names."""
    if issubclass(kind, KeyboardInterrupt):
        tell("audioae: interrupted")
    else:
        tell("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))


def rewrite(text: str) -> None:
    """Replace the last line on standard error, if that was written by this function."""
    Screen(sys.stderr).write(f"\r{printable(text, lines=False)}   ")


@dataclass(frozen=True)
class Screen:
    """Standard error, as tqdm writes to it; errors are dropped."""

    stream: TextIO

    @property
    def encoding(self) -> str:
        """Of the stream."""
        return self.stream.encoding or "utf-8"

    def write(self, text: str) -> None:
        """Text as it is, bar and all."""
        with suppress(OSError, ValueError):
            write(self.stream, _encoded(self.stream, text))

    def flush(self) -> None:
        """Nothing is kept."""

    def fileno(self) -> int:
        """The descriptor."""
        return self.stream.fileno()

    def isatty(self) -> bool:
        """Whether people see it at once."""
        return self.stream.isatty()


def _encoded(stream: TextIO, text: str) -> bytes:
    if sys.platform == "win32":
        text = text.replace("\n", "\r\n")
    return text.encode(stream.encoding or "utf-8", "backslashreplace")
