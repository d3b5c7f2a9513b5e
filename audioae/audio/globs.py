"""Glob patterns, in which existing folders are taken literally."""

import glob
import os
from pathlib import Path


def is_glob(name: str) -> bool:
    """Whether a name is a pattern, and not an existing file or folder.

    >>> is_glob("takes/*.wav"), is_glob("takes/a.wav")
    (True, False)
    """
    return glob.has_magic(name) and not os.path.lexists(name)


def matches(pattern: str) -> list[str]:
    """Files and folders that match a pattern, sorted; ``**`` matches any number of folders.

    The longest existing folder in the pattern is taken literally: ``takes [2024]/*.wav`` is about the folder of that name.
    """
    folder = next((parent for parent in Path(pattern).parents if parent.is_dir()), None)
    if folder is not None and glob.has_magic(str(folder)):
        pattern = os.path.join(glob.escape(str(folder)), Path(pattern).relative_to(folder))
    return sorted(glob.glob(pattern, recursive=True))
