"""Termination from outside, so that it leaves as little behind as Ctrl-C does."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def unwind_on_signals() -> Callable[[], None]:
    """Make SIGTERM and SIGHUP leave through every ``with`` block on the way, with exit code 128 and the signal's number.

    Returns:
        What puts things back as they were.
    """
    # What someone chose to ignore, as nohup does, stays ignored.
    changed = [number for number in SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in changed:
        signal.signal(number, _leave)

    def restore() -> None:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)

    return restore


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
