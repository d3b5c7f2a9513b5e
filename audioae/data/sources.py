"""Finds and crops recordings on disk, and skips those that cannot be read."""

import csv
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from audioae.audio.files import Reader, probe
from audioae.audio.folders import recordings
from audioae.audio.formats import AudioInfo
from audioae.audio.globs import matches
from audioae.audio.spool import is_pipe
from audioae.errors import DataError, InputError
from audioae.signal.resample import resample

Wave = NDArray[np.float32]
WHOLE_SECONDS = 60.0
"""Recordings up to this length are decoded whole and cached; of longer ones only the requested part is decoded."""
COLUMNS = ("file", "path", "audio")
SILENT_PEAK = 1e-20
"""Amplitude below which a recording is digital silence."""
LONGEST_LINE = 2**20
"""Limit of the characters in a line of a manifest."""
LONGEST_TEXT = 20_000
"""Largest number of characters in a column; file names have at most 4,096 bytes, and transcripts are shorter."""


@dataclass(frozen=True)
class Clip:
    """A recording: its path and the contents of its header."""

    path: Path
    rate: int
    frames: int

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.rate


@dataclass
class Found:
    """Clips in a fixed order, and unreadable files with the reason."""

    clips: list[Clip]
    skipped: list[tuple[Path, str]] = field(default_factory=list)


def list_files(entries: Sequence[str], unread: list[tuple[Path, str]] | None = None) -> list[Path]:
    """Audio files of folders (recursively), globs, single files, and CSV or JSONL manifests, in a fixed order.

    An entry that is given twice counts twice. Folders that cannot be searched are added to ``unread``, if that is given.

    Raises:
        DataError: entries that match nothing, or manifests that cannot be read; one line for each.
    """
    files: list[Path] = []
    wrong: list[str] = []
    missed: list[tuple[Path, str]] = [] if unread is None else unread
    for entry in entries:
        before = len(missed)
        try:
            found = list(_expand(entry, missed))
        except DataError as error:
            wrong.append(str(error))
            continue
        if not found and len(missed) == before:
            wrong.append(f"{entry}: no audio found there: give a folder, a glob, a file or a manifest")
        files += found
    if unread is None:
        wrong += [reason for _, reason in missed]
    if wrong:
        raise DataError("\n".join(wrong))
    return files


def _expand(entry: str, unread: list[tuple[Path, str]]) -> Iterator[Path]:
    path = Path(entry)
    if path.is_dir():
        listing = recordings(path, recursive=True)
        unread += [(place, f"{place}: {why}") for place, why in listing.unread]
        yield from listing.files
    elif path.suffix.lower() in (".csv", ".jsonl"):
        for file, _ in listed(path):
            yield file
    elif path.is_file():
        yield path
    else:
        for name in matches(entry):
            yield from _expand(name, unread) if name != entry else ()


def listed(path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Files of a manifest, each with its row.

    Raises:
        DataError: the manifest cannot be read, or a row names no file.
    """
    for row in manifest(path):
        name = next((row[column] for column in COLUMNS if row.get(column)), None)
        if name is None:
            raise DataError(f"{path}: every row needs a `file`")
        yield path.parent / str(name), row


def manifest(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV (with a header line) or JSONL file.

    Raises:
        DataError: an unreadable file, or another format.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() == ".csv":
                rows = [(reader.line_num, row) for reader in [csv.DictReader(_lines(file))] for row in reader]
            else:
                rows = [(number, json.loads(line)) for number, line in enumerate(_lines(file), 1) if line.strip()]
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such manifest") from None
    except RecursionError:
        raise DataError(f"{path}: not a readable manifest: a line is nested too deeply") from None
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a readable manifest: {error}") from None
    return [_row(row, f"{path}, line {number}") for number, row in rows]


def _lines(file: TextIO) -> Iterator[str]:
    """The lines of a manifest, which may be a device without an end.

    Raises:
        ValueError: a line that is too long.
    """
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise ValueError(f"a line has {LONGEST_LINE} characters or more")
        yield line


def _row(row: Any, place: str) -> dict[str, str]:
    """A row of a manifest, whose values are text.

    Raises:
        DataError: not a row, or a value that cannot be a file name.
    """
    if not isinstance(row, dict):
        raise DataError(f"{place}: should be a JSON object with a `file`")
    # Nested values are in none of the columns that are used.
    texts = {str(column): str(value) for column, value in row.items() if isinstance(value, str | int | float)}
    for column, text in texts.items():
        if len(text) > LONGEST_TEXT:
            raise DataError(f"{place}: `{column[:40]}` is {len(text)} characters long, which is too long for a name")
        if "\0" in text or not _is_whole(text):
            raise DataError(f"{place}: `{column[:40]}` holds a NUL or a part of a character: is the file damaged?")
    return texts


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def find(entries: Sequence[str], max_skipped: float) -> Found:
    """The clips of :func:`list_files` whose header can be read and that contain sound.

    Raises:
        DataError: nothing found, or more than ``max_skipped`` of the files unreadable.
    """
    found = Found([])
    files = list_files(entries, found.skipped)
    total = len(files) + len(found.skipped)
    for path in files:
        try:
            info = examine(path)
            if not info.frames:
                raise InputError(f"{path}: holds no samples")
            found.clips.append(Clip(path, info.rate, info.frames))
        except InputError as error:
            found.skipped.append((path, str(error)))
    check_skipped(found.skipped, total, max_skipped)
    return found


def examine(path: Path) -> AudioInfo:
    """:func:`~audioae.audio.files.probe` for a file that is read more than once.

    Raises:
        InputError: the file cannot be read, or only once.
    """
    if is_pipe(path):
        raise InputError(f"{path}: is a pipe or a device, which cannot be read again: give a file")
    return probe(path)


def check_skipped(skipped: Sequence[tuple[Path, str]], total: int, max_skipped: float) -> None:
    """Reject data with too many unreadable files.

    Raises:
        DataError: more than the share ``max_skipped``.
    """
    if skipped and len(skipped) > max_skipped * total:
        shown = "\n".join(f"  {reason}" for _, reason in skipped[:5])
        raise DataError(f"{len(skipped)} of {total} files cannot be read (data.max_skipped is {max_skipped:g}):\n{shown}")


class AudioCache:
    """Cache of decoded audio as 16-bit mono, so that a file is decoded and resampled once.

    Args:
        megabytes: size of the cache; the least recently used audio is removed first.
    """

    def __init__(self, megabytes: float) -> None:
        self.budget, self.held = megabytes * 2**20, 0
        self._single: set[Path] = set()
        self._waves: OrderedDict[tuple[Path, int], tuple[NDArray[np.int16], np.float32]] = OrderedDict()

    def crop(self, clip: Clip, rate: int, start: float, seconds: float) -> Wave:
        """Mono float32 ``(N,)`` at ``rate`` Hz from ``start`` seconds on, shorter if the clip ends before.

        Raises:
            InputError: the file cannot be decoded.
        """
        if clip.seconds > WHOLE_SECONDS:
            with self._open(clip.path) as reader:
                reader.seek(min(int(start * clip.rate), clip.frames))
                wave = reader.read(round(seconds * clip.rate)).mean(1)
            return resample(wave, clip.rate, rate)
        whole, unit = self._whole(clip, rate)
        first = int(start * rate)
        return np.asarray(whole[first : first + round(seconds * rate)] * unit, np.float32)

    def _open(self, path: Path) -> Reader:
        """The file, with all recordings that are concatenated in it. A file with one recording is searched once only."""
        reader = Reader(path, joined=path not in self._single)
        if reader.count == 1:
            self._single.add(path)
        return reader

    def _whole(self, clip: Clip, rate: int) -> tuple[NDArray[np.int16], np.float32]:
        """The wave in 16 bits, and the value of one step. The peak uses all 16 bits, for quiet and loud recordings alike."""
        key = (clip.path, rate)
        if key in self._waves:
            self._waves.move_to_end(key)
            return self._waves[key]
        with self._open(clip.path) as reader:
            wave = resample(reader.read(clip.frames).mean(1), clip.rate, rate)
        if not len(wave) or not np.isfinite(wave).all():
            raise InputError(f"{clip.path}: holds no samples or non-finite ones")
        unit = np.float32(max(float(np.abs(wave).max()), SILENT_PEAK) / 32767)
        whole = np.rint(wave / unit).astype(np.int16)
        self._waves[key] = whole, unit
        self.held += whole.nbytes
        while self.held > self.budget and len(self._waves) > 1:
            self.held -= self._waves.popitem(last=False)[1][0].nbytes
        return whole, unit
