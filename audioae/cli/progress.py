"""Progress: bars on a terminal, lines now and then elsewhere; the only module that knows tqdm."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from audioae.cli.terminal import Screen, tell
from audioae.system.printable import printable

EVERY = 30.0
"""Seconds between lines; what is done between two of them may take as long again."""
BAR = "|{bar:24}| "
FORM = "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


class Lines:
    """What stands in for a bar where there is no terminal to redraw it on: a line now and then.

    Args:
        total: what ``n`` grows to.
        label: what each line begins with.
        form: of a bar.
        clock: seconds that pass.
    """

    def __init__(
        self, total: float | None, label: str, form: str | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total, self.label, self.form, self.clock = total, label, (form or FORM).replace(BAR, ""), clock
        self.n: float = 0
        self.initial: float = 0
        self.begun = self.told = clock()
        self.postfix = ""

    @property
    def format_dict(self) -> dict[str, Any]:
        """As of a bar: the seconds since it began."""
        return {"elapsed": self.clock() - self.begun}

    def set_description(self, label: str, refresh: bool = True) -> None:
        """Change what each line begins with."""
        self.label = label

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Change what stands behind the figures."""
        self.postfix = text

    def update(self, count: float = 1) -> None:
        """Go on by so much; says so if nothing was said for long."""
        self.n += count
        if self.clock() - self.told < EVERY:
            return
        self.told = self.clock()
        text = tqdm.format_meter(
            self.n, self.total, self.told - self.begun, bar_format=self.form, prefix=self.label, initial=self.initial,
            postfix=self.postfix,
        )  # fmt: skip
        above(text.strip())

    def close(self) -> None:
        """Nothing is left to tidy up."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Bar(tqdm):  # type: ignore[type-arg, misc, unused-ignore]
    def set_description(self, desc: str | None = None, refresh: bool | None = True) -> None:
        super().set_description(printable(desc or "", lines=False), refresh)


def bar(total: float | None, label: str, quiet: bool = False, form: str | None = None) -> Any:
    """A bar on standard error, lines now and then where that is no terminal, or nothing where quiet is wished."""
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
    """A line on standard error that does not tear a bar; see :func:`~audioae.cli.terminal.tell`."""
    tell(text, lines)
