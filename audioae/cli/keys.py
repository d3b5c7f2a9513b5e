"""Single keys from the terminal, without waiting for the end of a line."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keys() -> Iterator[Callable[[], str] | None]:
    """A function that returns the keys pressed since its last call, without waiting; None if there is no terminal.

    Keys are not echoed meanwhile. Ctrl-C interrupts as usual.
    """
    if not sys.stdin or sys.stdin.closed or not sys.stdin.isatty():
        yield None
    else:
        with _from_terminal() as pressed:
            yield pressed


if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def _from_terminal() -> Iterator[Callable[[], str] | None]:
        def pressed() -> str:
            found = ""
            while msvcrt.kbhit():
                found += msvcrt.getwch()
            return found

        yield pressed

else:
    import os
    import select
    import termios
    import tty

    def _in_foreground(file: int) -> bool:
        """Whether the terminal is this program's to use: one in the background is stopped when it reads or sets it."""
        try:
            return os.tcgetpgrp(file) == os.getpgrp()
        except OSError:  # not the terminal of this session, which has no foreground
            return True

    @contextmanager
    def _from_terminal() -> Iterator[Callable[[], str] | None]:
        file = sys.stdin.fileno()
        if not _in_foreground(file):
            yield None
            return

        def pressed() -> str:
            if not _in_foreground(file) or not select.select([file], [], [], 0)[0]:
                return ""
            return os.read(file, 4096).decode("ascii", "ignore")

        before = termios.tcgetattr(file)
        tty.setcbreak(file)
        try:
            yield pressed
        finally:
            if _in_foreground(file):
                termios.tcsetattr(file, termios.TCSADRAIN, before)
