"""All output to the terminal goes through this module.

Control characters in names and foreign texts are escaped. Text that cannot be written to standard error is dropped. If
standard output cannot be written, the command finishes its work and then fails.
"""

import sys
import threading
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


def print_line(text: str = "", end: str = "\n") -> None:
    """Print text to standard output. A failure is raised later by :func:`check_output`."""
    context = click.get_current_context()
    if _FAILED not in context.meta:
        try:
            write_output(_encoded(sys.stdout, printable(text) + end))
        except (OutputError, BrokenPipeError) as error:
            context.meta[_FAILED] = error


def check_output() -> None:
    """Raise the error of :func:`print_line`, if there was one.

    Raises:
        OutputError: standard output is full or closed.
        BrokenPipeError: the reader of standard output has closed it.
    """
    error: OutputError | BrokenPipeError | None = click.get_current_context().meta.get(_FAILED)
    if error is not None:
        raise error


def print_message(text: str = "", lines: bool = True) -> None:
    """Print a message to standard error, above a progress bar if there is one.

    Args:
        text: the message.
        lines: whether newlines are kept; else they are escaped, since file names may contain some.
    """
    safe, screen = printable(text, lines) + "\n", Screen(sys.stderr)
    if "tqdm" in sys.modules:
        sys.modules["tqdm"].tqdm.write(safe, file=screen, end="")
    else:  # there is no bar yet
        screen.write(safe)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback as ``sys.excepthook`` does, with control characters escaped."""
    if issubclass(kind, KeyboardInterrupt):
        print_message("audioae: interrupted")
    else:
        print_message("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))


def print_thread_error(found: threading.ExceptHookArgs) -> None:
    """Print the error that ended a thread: system errors, such as a full disk, in one line, others with a traceback.

    TensorBoard writes in a thread of its own.
    """
    if isinstance(found.exc_value, OSError):
        print_message(f"audioae: in the background: {found.exc_value}", lines=False)
    elif found.exc_value is not None:
        print_traceback(found.exc_type, found.exc_value, found.exc_traceback)


def rewrite(text: str) -> None:
    """Overwrite the current line on standard error."""
    Screen(sys.stderr).write(f"\r{printable(text, lines=False)}   ")


@dataclass(frozen=True)
class Screen:
    """Standard error as a file for tqdm. Write errors are ignored."""

    stream: TextIO

    @property
    def encoding(self) -> str:
        """Encoding of the stream."""
        return self.stream.encoding or "utf-8"

    def write(self, text: str) -> None:
        """Write text unchanged."""
        with suppress(OSError, ValueError):
            write(self.stream, _encoded(self.stream, text))

    def flush(self) -> None:
        """Do nothing; there is no buffer."""

    def fileno(self) -> int:
        """The file descriptor."""
        return self.stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.stream.isatty()


def _encoded(stream: TextIO, text: str) -> bytes:
    if sys.platform == "win32":
        text = text.replace("\n", "\r\n")
    return text.encode(stream.encoding or "utf-8", "backslashreplace")
