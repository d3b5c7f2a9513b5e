"""Termination by signals, with the same clean-up as Ctrl-C."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def unwind_on_signals() -> Callable[[], None]:
    """Make SIGTERM and SIGHUP raise SystemExit, with exit code 128 plus the number of the signal.

    Returns:
        A function that restores the previous handlers.
    """
    # Ignored signals, as by nohup, stay ignored.
    changed = [number for number in SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in changed:
        signal.signal(number, _exit)

    def restore() -> None:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)

    return restore


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
