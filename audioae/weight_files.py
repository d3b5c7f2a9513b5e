"""Model files by the names of the package's models. Nothing is read from them, and torch is not needed."""

import os
from pathlib import Path

from audioae.errors import ModelFileError
from audioae.recipe_files import DEFAULT
from audioae.settings.registry import did_you_mean

SHIPPED = Path(__file__).parent / "weights"
ENDING = ".safetensors"


def names() -> list[str]:
    """Names of the models in the package, the default first.

    >>> names()[0]
    'conv_dae_offline'
    """
    return sorted((path.stem for path in SHIPPED.glob(f"*{ENDING}")), key=lambda name: (name != DEFAULT, name))


def locate(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a shipped model's name, of ``default``, or of a path.

    Raises:
        ModelFileError: neither a name of the package nor a file.
    """
    text = os.fspath(name_or_path)
    known = names()
    if text == "default":
        text = DEFAULT
    if text in known:
        return SHIPPED / f"{text}{ENDING}"
    path = Path(text)
    if path.is_file():
        return path
    what = "is a folder, not a model file" if path.is_dir() else "is neither a model in the package nor a file"
    raise ModelFileError(f"{text}: {what} (in the package: {', '.join(known) or 'none'}){did_you_mean(text, known)}")


def identity(name_or_path: str | os.PathLike[str]) -> tuple[str, int, int, int]:
    """Identity of a model's file, which changes when the file is replaced: path, size, modification time and inode.

    Raises:
        ModelFileError: neither a name of the package nor a file.
    """
    path = locate(name_or_path).resolve()
    facts = path.stat()
    return str(path), facts.st_size, facts.st_mtime_ns, facts.st_ino
