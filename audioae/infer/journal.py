"""What was begun and what is done, so that work that was cut off can be gone on with."""

import json
import os
from pathlib import Path
from typing import Any

from audioae.errors import OutputError
from audioae.infer.jobs import Job

NAME = ".audioae.jsonl"


class Journal:
    """A file of JSON lines in the folder of the results: one for every recording that is begun, one when it is done.

    Lines are only ever added. One that was cut off counts for nothing, so that the process may be killed at any moment.

    Args:
        folder: of the results; the journal's file is made with the first line.
        settings: all that results depend on besides the recording; what was done with others counts as not done.

    Raises:
        OutputError: the journal that is there cannot be read.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        self.path, self.settings = folder / NAME, settings
        self._begun: set[str] = set()
        self._done: dict[str, dict[str, Any]] = {}
        self._stamps: dict[str, list[int]] = {}
        try:
            text = self.path.read_text("utf-8", errors="replace") if self.path.exists() else ""
        except OSError as error:
            raise OutputError(f"{self.path}: cannot read: {error.strerror}") from None
        self._torn = bool(text) and not text.endswith("\n")
        for line in text.split("\n"):  # names may hold other ends of lines
            self._take(line)

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line)
            source, outputs, event = entry["input"], entry["outputs"], entry["event"]
            self._begun.update(outputs)
            if event == "done":
                self._done[source] = entry
            else:
                self._done.pop(source, None)
        except (ValueError, TypeError, KeyError, RecursionError):
            return

    def is_done(self, job: Job) -> bool:
        """Whether the recording was cleaned in the same way, has not changed, and all of its results are there."""
        entry = self._done.get(_key(job.source))
        return (
            entry is not None
            and entry.get("settings") == self.settings
            and entry["outputs"] == _keys(job)
            and entry.get("stamp") == _stamp(job.source)
            and all(path.is_file() for path in job.outputs)
        )

    def is_ours(self, job: Job) -> bool:
        """Whether what stands in the place of the results was made by an earlier run, and may be replaced."""
        return all(key in self._begun for key, path in zip(_keys(job), job.outputs, strict=True) if path.exists())

    def begin(self, job: Job) -> None:
        """Note that the recording's results are about to be written, and take away what an earlier try left half done.

        Raises:
            OutputError: the folder cannot be written.
        """
        if self.is_ours(job):
            job.sweep()
        # Now, for a recording that changes while it is cleaned is to be cleaned again.
        self._stamps[_key(job.source)] = _stamp(job.source)
        self._write({"event": "begun", "input": _key(job.source), "outputs": _keys(job)})

    def done(self, job: Job, report: dict[str, Any]) -> None:
        """Note that all results of the recording are in their places.

        Raises:
            OutputError: the folder cannot be written.
        """
        stamp = self._stamps.pop(_key(job.source), None) or _stamp(job.source)
        entry = {"event": "done", "input": _key(job.source), "outputs": _keys(job), "stamp": stamp}
        self._write(entry | {"settings": self.settings, "report": report})

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry, ensure_ascii=False)
        try:
            with open(self.path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(("\n" if self._torn else "") + line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._torn = True  # a part of the line may be there
            raise OutputError(f"{self.path}: cannot write: {error.strerror or error}") from None
        self._torn = False
        self._take(line)


def _key(path: Path) -> str:
    return str(path.parent.resolve() / path.name)


def _keys(job: Job) -> list[str]:
    return [_key(path) for path in job.outputs]


def _stamp(path: Path) -> list[int]:
    """Size in bytes and time of the last change in nanoseconds; nothing for a file that is not there."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
