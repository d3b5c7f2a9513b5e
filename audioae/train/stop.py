"""Ctrl-C and termination, handled at the end of a step."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

from audioae.data.loader import STOP_SIGNALS


class Stop:
    """While this context lasts, the first signal sets :attr:`requested`; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        try:
            self._before = {number: signal.signal(number, self._handle) for number in STOP_SIGNALS}
        except ValueError:  # not in the main thread, which alone receives signals
            self._before = {}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
