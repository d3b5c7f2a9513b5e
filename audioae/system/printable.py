"""Foreign text (file names, tags, models) made safe for terminals and plots."""

import re

from audioae.errors import AudioaeWarning

# Control characters except tab and newline, marks for the direction of text, line separators other than newline, and
# surrogates, which stand for bytes of file names that are not valid text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, lines: bool = True) -> str:
    r"""The text with its control characters escaped, so that it cannot control a terminal.

    Args:
        text: any text.
        lines: keep newlines; otherwise they are escaped too.

    >>> printable("e\x1b[31m.wav")
    'e\\x1b[31m.wav'
    """
    safe = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return safe if lines else safe.replace("\n", "\\n")


def warning_line(message: Warning | str, category: type[Warning], *_: object, **__: object) -> str:
    """Replaces ``warnings.formatwarning`` in processes that have no command line: a line as the command line prints it.

    Warnings of libraries are for developers.
    """
    return f"audioae: warning: {printable(str(message), lines=False)}\n" if issubclass(category, AudioaeWarning) else ""
