"""Patterns of file names, where a folder that is there is meant as it is written."""

import glob
import os
from pathlib import Path


def is_glob(name: str) -> bool:
    """Whether a name is a pattern: a file or folder of that very name is not.

    >>> is_glob("takes/*.wav"), is_glob("takes/a.wav")
    (True, False)
    """
    return glob.has_magic(name) and not os.path.lexists(name)


def matches(pattern: str) -> list[str]:
    """Files and folders that fit a pattern, sorted; ``**`` stands for any number of folders.

    The longest part that is a folder is taken as it is written: ``takes [2024]/*.wav`` is about the folder of that name.
    """
    folder = next((parent for parent in Path(pattern).parents if parent.is_dir()), None)
    if folder is not None and glob.has_magic(str(folder)):
        pattern = os.path.join(glob.escape(str(folder)), Path(pattern).relative_to(folder))
    return sorted(glob.glob(pattern, recursive=True))
