"""The recordings in a folder, by their endings: files for libsndfile and media files for PyAV."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from audioae.audio.media.kinds import ENDINGS
from audioae.audio.spool import is_pipe

EXTENSIONS = frozenset(
    ".wav .wave .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 .bwf .sph .nist .voc .paf .mp2".split()
)
"""Endings of recordings for libsndfile. Files with other endings can be given by name."""
FOREIGN = ENDINGS - {".ts"}
"""Endings of media files for PyAV, except .ts, which may also be a program and must be given by name."""


@dataclass
class Listing:
    """Contents of a folder.

    Attributes:
        files: recordings, sorted, including unreadable ones.
        unread: folders that cannot be read and pipes, with the reason.
    """

    files: list[Path] = field(default_factory=list)
    unread: list[tuple[Path, str]] = field(default_factory=list)


def is_recording(path: Path) -> bool:
    """Whether the path has the ending of a recording."""
    return path.suffix.lower() in EXTENSIONS or path.suffix.lower() in FOREIGN


def recordings(folder: Path, recursive: bool) -> Listing:
    """The recordings of a folder, and with ``recursive`` of all folders in it, including linked ones.

    Each folder is read once, by its own path if that is below ``folder``, otherwise by the first link. Hidden files are
    ignored.
    """
    listing = Listing()
    entered: set[tuple[int, int]] = set()
    links: list[Path] = []
    waiting = [folder]
    while waiting or links:
        # Links are followed last, so that folders below have their own path.
        _enter(waiting.pop() if waiting else links.pop(0), listing, entered, waiting, links)
        if not recursive:
            break
    listing.files.sort()
    listing.unread.sort()
    return listing


def _enter(folder: Path, listing: Listing, entered: set[tuple[int, int]], waiting: list[Path], links: list[Path]) -> None:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in entered:
            return
        entered.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        listing.unread.append((folder, error.strerror or str(error)))
        return
    for entry in inside:
        path = folder / entry.name
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError:  # circular links
            is_folder = is_file = False
        if is_folder:
            (links if entry.is_symlink() else waiting).append(path)
        elif is_recording(path) and not entry.name.startswith("."):
            if not is_file and is_pipe(path):
                listing.unread.append((path, "is no file: name it by itself"))
            else:  # broken links are reported when they are opened
                listing.files.append(path)
