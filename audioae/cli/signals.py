"""Termination from outside, so that it leaves as little behind as Ctrl-C does."""

import signal
from types import FrameType
from typing import NoReturn

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def unwind_on_signals() -> None:
    """Make SIGTERM and SIGHUP leave through every ``with`` block on the way, with exit code 128 and the signal's number."""
    for number in SIGNALS:
        # What someone chose to ignore, as nohup does, stays ignored.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
