"""Finds all recordings of a recipe's ``data`` section before anything is mixed."""

from dataclasses import dataclass, field
from pathlib import Path

from audioae.data.config import DataConfig
from audioae.data.pairs import Pair, readable_pairs
from audioae.data.sources import Found, find
from audioae.errors import DataError


@dataclass
class Sources:
    """Recordings to mix."""

    clean: Found
    noise: Found
    rir: Found
    pairs: list[Pair]
    skipped_pairs: list[tuple[Path, str]] = field(default_factory=list)

    @classmethod
    def of(cls, config: DataConfig) -> "Sources":
        """Find all recordings that the recipe names.

        Raises:
            DataError: nothing found, or too many unreadable files; one line per mistake, with its key in the recipe.
        """
        found: dict[str, Found] = {}
        pairs: tuple[list[Pair], list[tuple[Path, str]]] = [], []
        wrong: list[str] = []
        for key in ("clean", "noise", "rir", "pairs"):
            try:
                if key == "pairs":
                    pairs = readable_pairs(config.pairs, config.max_skipped)
                else:
                    found[key] = find(getattr(config, key), config.max_skipped)
            except DataError as error:
                wrong += [f"data.{key}: {line}" if not line.startswith(" ") else line for line in str(error).splitlines()]
        if wrong:
            raise DataError("\n".join(wrong))
        if config.label is not None:
            for clip in found["clean"].clips:
                class_of(clip.path, config.label)
        return cls(found["clean"], found["noise"], found["rir"], *pairs)

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """Files whose header could not be read, with the reason."""
        return [*self.clean.skipped, *self.noise.skipped, *self.rir.skipped, *self.skipped_pairs]


def class_of(path: Path, label: int) -> str:
    """The class in a file's name: part number ``label``, from 0, of the name without ending, split at ``_``.

    Raises:
        DataError: a name without that part.

    >>> class_of(Path("digits/7_george_12.flac"), 0)
    '7'
    """
    parts = path.stem.split("_")
    if label >= len(parts):
        raise DataError(f"{path}: has no part {label} in its name (data.label; parts are separated by _, the first is 0)")
    return parts[label]
