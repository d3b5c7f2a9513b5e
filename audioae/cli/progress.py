"""Progress bars on a terminal; the only module that knows tqdm."""

import sys
from typing import Any

from tqdm import tqdm


def bar(total: float | None, label: str, quiet: bool = False, form: str | None = None) -> Any:
    """A bar on standard error, or an idle one where that is no terminal or quiet is wished."""
    off = quiet or not sys.stderr.isatty()
    return tqdm(total=total, desc=label, disable=off, bar_format=form, leave=False, dynamic_ncols=True)


def above(text: str) -> None:
    """A line on standard error that does not tear a bar."""
    tqdm.write(text, file=sys.stderr)
