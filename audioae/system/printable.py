"""Text that others wrote (names, tags, models), made safe for a terminal or a picture."""

import re

# Control characters but for tab and newline, marks that turn the direction of text, ends of lines other than newline,
# and halves of characters, which is what names that are no text consist of.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, lines: bool = True) -> str:
    r"""The text with its control characters as escapes: none of them reaches the terminal that it is printed on.

    Args:
        text: of any origin.
        lines: keep newlines; without, the result is one line.

    >>> printable("e\x1b[31m.wav")
    'e\\x1b[31m.wav'
    """
    safe = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return safe if lines else safe.replace("\n", "\\n")
