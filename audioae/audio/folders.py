"""The recordings in a folder, by their endings: those that libsndfile reads, and media files, which PyAV reads."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from audioae.audio.media.kinds import ENDINGS
from audioae.audio.spool import is_pipe

EXTENSIONS = frozenset(
    ".wav .wave .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 .bwf .sph .nist .voc .paf .mp2".split()
)
"""Endings of recordings that libsndfile reads; a file of any other can be named by itself."""
FOREIGN = ENDINGS - {".ts"}
"""Endings of media files, which PyAV reads. A .ts in a folder may be a program, and is named by itself."""


@dataclass
class Listing:
    """Contents of a folder.

    Attributes:
        files: recordings of every kind, sorted, those that cannot be read among them.
        unread: folders that cannot be entered and what is no file, and why.
    """

    files: list[Path] = field(default_factory=list)
    unread: list[tuple[Path, str]] = field(default_factory=list)


def is_recording(path: Path) -> bool:
    """Whether the ending is that of a recording, of a kind that can be read or not."""
    return path.suffix.lower() in EXTENSIONS or path.suffix.lower() in FOREIGN


def recordings(folder: Path, recursive: bool) -> Listing:
    """The recordings of a folder, and with ``recursive`` of all that are below it, behind links too.

    Each folder is entered once, however many links lead to it: by its own path if that is below ``folder``, else by the
    first link. Hidden files are left out.
    """
    listing = Listing()
    entered: set[tuple[int, int]] = set()
    links: list[Path] = []
    waiting = [folder]
    while waiting or links:
        # What is behind links comes last, so that a folder that is below has its own path.
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
        except OSError:  # links in a circle
            is_folder = is_file = False
        if is_folder:
            (links if entry.is_symlink() else waiting).append(path)
        elif is_recording(path) and not entry.name.startswith("."):
            if not is_file and is_pipe(path):
                listing.unread.append((path, "is no file: name it by itself"))
            else:  # why a link cannot be followed is said when it is opened
                listing.files.append(path)
