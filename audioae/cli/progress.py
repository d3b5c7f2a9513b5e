"""Progress bars on a terminal, and a line at least once a minute elsewhere. The only module that imports tqdm."""

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from audioae.cli.terminal import Screen, print_message
from audioae.system.printable import printable

EVERY = 30.0
"""Seconds between lines."""
REFRESH_SECONDS = 10.0
"""Seconds after which a line that is due is printed even if nothing has advanced."""
BAR = "|{bar:24}| "
FORM = "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


class Lines:
    """Replaces a bar where the output is no terminal: prints a line every :data:`EVERY` seconds, until it is closed.

    Args:
        total: final value of ``n``.
        label: beginning of each line.
        form: format of the bar that is replaced.
        clock: returns seconds.
    """

    def __init__(
        self, total: float | None, label: str, form: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total, self.label, self.form, self.clock = total, label, (form or FORM).replace(BAR, ""), clock
        self.n: float = 0
        self.initial: float = 0
        self.begun = self.printed = clock()
        self.postfix = ""
        self._lock, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._refresh, daemon=True).start()

    def _refresh(self) -> None:
        while not self._closed.wait(REFRESH_SECONDS):
            self.update(0)

    @property
    def format_dict(self) -> dict[str, Any]:
        """The elapsed seconds, as tqdm has them."""
        return {"elapsed": self.clock() - self.begun}

    def set_description(self, label: str, refresh: bool = True) -> None:
        """Change the label."""
        self.label = label

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Change the text after the figures."""
        self.postfix = text

    def update(self, count: float = 1) -> None:
        """Advance by ``count``; print a line if the last one is old."""
        with self._lock:
            self.n += count
            if self.clock() - self.printed < EVERY:
                return
            self.printed = self.clock()
        text = tqdm.format_meter(
            self.n, self.total, self.printed - self.begun, bar_format=self.form, prefix=self.label, initial=self.initial,
            postfix=self.postfix,
        )  # fmt: skip
        above(text.strip())

    def close(self) -> None:
        """Print no more lines."""
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Bar(tqdm):  # type: ignore[type-arg, misc, unused-ignore]
    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:
        super().set_description(printable(desc or "", lines=False), refresh)


def bar(total: float | None, label: str, quiet: bool = False, form: str | None = None) -> Any:
    """A progress bar on standard error, lines where that is no terminal, or nothing with ``quiet``."""
    screen = Screen(sys.stderr)
    if not (quiet or screen.isatty()):
        return Lines(total, label, form)
    return _Bar(
        total=total,
        desc=printable(label, lines=False),
        disable=quiet,
        bar_format=form,
        leave=False,
        dynamic_ncols=True,
        file=screen,
    )


def above(text: str, lines: bool = True) -> None:
    """Print a line on standard error, above a progress bar; see :func:`~audioae.cli.terminal.print_message`."""
    print_message(text, lines)
