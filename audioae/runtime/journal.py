"""The journal of started and finished recordings, by which interrupted work is resumed."""

import json
import os
import zlib
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from audioae.errors import OutputError
from audioae.runtime.jobs import Job
from audioae.system.atomic import locked
from audioae.system.places import write_all

NAME = ".audioae.jsonl"


class ResultState(Enum):
    """State of a job's result files."""

    FREE = "no results"
    MADE = "results of a finished run, which may be replaced"
    BEGUN = "files of an interrupted run or of another program"
    FOREIGN = "files of another program"


class Journal:
    """A file of JSON lines in the output folder, with one line when a recording is started and one when it is done.

    Lines are only appended, also by several runs at once. Incomplete lines are ignored, so that a process may be killed at
    any moment.

    Args:
        folder: folder of the results; the file is created with the first line.
        settings: hash of all settings that results depend on; results with other settings count as not done.

    Raises:
        OutputError: the existing journal cannot be read.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.path, self.settings = folder / NAME, settings
        self._read = 0  # bytes
        self._begun: set[str] = set()
        self._made: set[str] = set()
        self._done: dict[str, dict[str, Any]] = {}
        self._stamps: dict[str, list[int]] = {}
        self._swept: set[Path] = set()
        self.refresh()

    def refresh(self) -> None:
        """Read the lines that were added by any run.

        Raises:
            OutputError: the journal cannot be read.
        """
        try:
            if not self.path.exists():
                return
            if not self.path.is_file():
                raise OutputError(f"{self.path}: cannot read: not a file: move it away, or take another folder")
            with open(self.path, "rb") as file:
                file.seek(self._read)
                added = file.read()
        except OSError as error:
            raise OutputError(f"{self.path}: cannot read: {error.strerror}") from None
        # An incomplete last line is read again the next time.
        self._read += added.rfind(b"\n") + 1
        for line in added.decode("utf-8", errors="replace").split("\n"):  # names may contain other line separators
            self._take(line)

    def _take(self, line: str) -> None:
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            entry = json.loads(line)
            source, outputs, event = entry["input"], entry["outputs"], entry["event"]
            if event == "done":
                self._made.update(outputs)
                self._done[source] = entry
            else:
                self._begun.update(outputs)
                self._done.pop(source, None)

    def is_done(self, job: Job) -> bool:
        """Whether the recording was cleaned with the same settings, and neither it nor its results have changed."""
        entry = self._done.get(_key(job.source))
        if entry is None or entry.get("settings") != self.settings or entry["outputs"] != _keys(job):
            return False
        marks = entry.get("results")
        return (
            entry.get("stamp") == _stamp(job.source)
            and isinstance(marks, list)
            and len(marks) == len(job.outputs)
            and all(map(_has, job.outputs, marks))
        )

    def result_state(self, job: Job) -> ResultState:
        """State of the result files."""
        there = {key for key, path in zip(_keys(job), job.outputs, strict=True) if path.exists()}
        if not there:
            return ResultState.FREE
        if there <= self._made:
            return ResultState.MADE
        return ResultState.BEGUN if there <= self._made | self._begun else ResultState.FOREIGN

    def begin(self, job: Job) -> bool:
        """Add a line for a started recording, unless another run has finished it.

        Temporary files of killed runs in the output folders are removed.

        Returns:
            Whether the recording must be cleaned.

        Raises:
            OutputError: the folder cannot be written.
        """
        self.refresh()
        if self.is_done(job):
            return False
        folders = {path.parent for path in job.outputs}
        if not folders <= self._swept:
            job.sweep()
            self._swept |= folders
        # Taken now, because a recording that changes during cleaning must be cleaned again.
        self._stamps[_key(job.source)] = _stamp(job.source)
        free = [key for key, path in zip(_keys(job), job.outputs, strict=True) if not path.exists()]
        self._write({"event": "begun", "input": _key(job.source), "outputs": free})
        return True

    def done(self, job: Job, report: dict[str, Any]) -> None:
        """Add a line for a finished recording.

        Raises:
            OutputError: the folder cannot be written.
        """
        stamp = self._stamps.pop(_key(job.source), None) or _stamp(job.source)
        results = [_mark(path) for path in job.outputs]
        entry = {"event": "done", "input": _key(job.source), "outputs": _keys(job), "stamp": stamp, "results": results}
        self._write(entry | {"settings": self.settings, "report": report})

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", errors="backslashreplace") + b"\n"
        try:
            with open(self.path, "ab+") as file, locked(file.fileno()):
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                torn = size > 0 and file.read(1) != b"\n"  # incomplete line of a killed run
                write_all(file.fileno(), b"\n" * torn + line)
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path}: cannot write: {error.strerror or error}") from None
        self.refresh()


def _key(path: Path) -> str:
    return str(path.parent.resolve() / path.name)


def _keys(job: Job) -> list[str]:
    return [_key(path) for path in job.outputs]


def _stamp(path: Path) -> list[int]:
    """Size in bytes and modification time in nanoseconds; empty if the file does not exist."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]


def _mark(path: Path) -> list[int]:
    """Stamp and checksum of a result."""
    return [*_stamp(path), _checksum(path)]


def _has(path: Path, mark: Any) -> bool:
    """Whether a file matches its mark. Its time may differ, because copying and some network drives change it."""
    stamp = _stamp(path)
    if not stamp or not isinstance(mark, list) or len(mark) != 3:
        return False
    return stamp == mark[:2] or (stamp[0] == mark[0] and _checksum(path) == mark[2])


def _checksum(path: Path) -> int:
    total = 0
    with suppress(OSError), open(path, "rb") as file:
        while block := file.read(2**20):
            total = zlib.crc32(block, total)
    return total
