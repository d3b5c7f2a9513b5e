"""Recordings and results of all pages, and the events about them."""

import asyncio
import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from audioae.errors import AudioaeError, InputError
from audioae.studio.messages import Header
from audioae.studio.processes import CancelledByUserError, WorkerProcess

MOST_FILES = 200
"""Largest number of recordings on a page."""
MOST_SESSIONS = 64
MOST_EVENTS = 500
ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")
SESSION = re.compile(r"[A-Za-z0-9-]{8,64}")


@dataclass(frozen=True)
class Settings:
    """Settings of a result, as the options of ``audioae denoise`` and ``audioae restore``.

    Attributes:
        model: name or path.
        atten_limit: attenuation limit in dB; None for none.
        mix: 1 for the cleaned signal, 0 for the input, or between.
        channels: ``linked`` or ``independent``.
        bitrate: bit rate of coded results in kbit/s; None for that of the input.
        salvage: whether to clean the readable part of a damaged recording.
        codec: codec of the sound of media files, by FFmpeg's name; empty for that of the input.
        track: number of the sound track of media files, from 1; 0 for the default track.
        loudness: integrated loudness of the result in LUFS; None to leave it.
        repairs: kinds of damage to repair; empty for noise reduction.
        denoise: denoiser that follows the repair; empty for none.
    """

    model: str
    atten_limit: float | None = None
    mix: float = 1.0
    channels: str = "linked"
    bitrate: int | None = None
    salvage: bool = False
    codec: str = ""
    track: int = 0
    loudness: float | None = None
    repairs: tuple[str, ...] = ()
    denoise: str = ""


@dataclass
class Result:
    """A recording cleaned or restored with certain settings.

    Attributes:
        key: identifier for the page.
        settings: settings.
        path: the file.
        state: ``waiting``, ``running``, ``done`` or ``error``.
        report: report without the damage, which may be a long list.
        damage: what was found and repaired, with times.
    """

    key: str
    settings: Settings
    path: Path
    state: str = "waiting"
    done: float = 0.0
    report: dict[str, Any] = field(default_factory=dict)
    damage: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    copied: Path | None = None
    task: asyncio.Task[None] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields that the page shows, as plain data for JSON."""
        return asdict(self.settings) | {
            "id": self.key, "model": Path(self.settings.model).stem, "state": self.state, "done": self.done,
            "report": self.report, "error": self.error,
        }  # fmt: skip


@dataclass
class Recording:
    """A recording on the page.

    Attributes:
        key: identifier for the page.
        name: name of its file, for display.
        path: the file.
        folder: its folder in the private folder.
        session: page that it belongs to; empty for recordings of the command line, which all pages show.
    """

    key: str
    name: str
    path: Path
    folder: Path
    session: str
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    copied: Path | None = None
    results: dict[str, Result] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The fields that the page shows, as plain data for JSON."""
        results = [result.as_dict() for result in self.results.values()]
        return {"id": self.key, "name": self.name, "error": self.error, "results": results, **self.facts}

    def place(self, result: Result | None = None) -> dict[str, Any]:
        """File of the recording or of a result, as workers read it."""
        path, copied = (self.path, self.copied) if result is None else (result.path, result.copied)
        raw = None if copied is None else (self.facts["rate"], self.facts["channels"])
        return {"path": str(copied or path), "raw": raw}

    def in_words(self, error: object) -> str:
        """The text of an error, with display names in place of paths."""
        text = str(error)
        for result in self.results.values():
            text = text.replace(str(result.path), result.path.name)
        return text.replace(str(self.path), self.name).replace(str(self.folder) + "/", "")


@dataclass
class Session:
    """A page that is open, in one or more tabs."""

    queues: list[asyncio.Queue[dict[str, Any]]] = field(default_factory=list)
    left: float = field(default_factory=time.monotonic)


class Store:
    """All recordings, results and pages.

    Args:
        folder: the private folder.
        cleaning: worker process that cleans.
        reading: worker process that reads recordings and computes spectrograms.
        grace: seconds until the uploads of a closed page are removed.
    """

    def __init__(self, folder: Path, cleaning: WorkerProcess, reading: WorkerProcess, grace: float = 120.0) -> None:
        self.folder, self.cleaning, self.reading, self.grace = folder, cleaning, reading, grace
        self.recordings: dict[str, Recording] = {}
        self.sessions: dict[str, Session] = {}
        self.links: dict[str, tuple[Path, str]] = {}
        """Files and their names by the secret part of the address that they can be downloaded from."""

    def session(self, name: str) -> Session:
        """The session of a page, created if it is new.

        Raises:
            InputError: an invalid name, or too many pages.
        """
        if name not in self.sessions:
            if not SESSION.fullmatch(name):
                raise InputError("the request names no page: reload the page")
            if len(self.sessions) >= MOST_SESSIONS:
                raise InputError(f"{MOST_SESSIONS} pages are open: close one")
            self.sessions[name] = Session()
        return self.sessions[name]

    def seen_by(self, session: str) -> list[Recording]:
        """Recordings of a page, and those of the command line."""
        return [each for each in self.recordings.values() if each.session in ("", session)]

    def recording(self, session: str, key: str) -> Recording:
        """A recording that a page may use.

        Raises:
            InputError: there is no such recording.
        """
        found = self.recordings.get(key)
        if found is None or found.session not in ("", session):
            raise InputError("this recording is no longer there: choose its file again")
        return found

    def new_folder(self) -> Path:
        """Make a new folder in the private folder."""
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        return folder

    def place_for(self, session: str, name: str) -> Recording:
        """A recording to upload. Of its name, only the extension becomes part of a path.

        Raises:
            InputError: too many recordings.
        """
        self.session(session)
        if len(self.seen_by(session)) >= MOST_FILES:
            raise InputError(f"{MOST_FILES} recordings are open: remove some")
        folder = self.new_folder()
        return Recording(secrets.token_hex(8), shown_name(name), folder / f"input{ending(name)}", folder, session)

    async def add(self, recording: Recording) -> None:
        """List a recording, and read its header. Its error is shown on the page."""
        self.recordings[recording.key] = recording
        try:
            recording.facts, _ = await self.reading.ask("probe", {"path": str(recording.path)})
        except AudioaeError as error:
            recording.error = recording.in_words(error)
        self.publish(recording)

    async def open(self, path: Path) -> Recording:
        """List a file of this machine on all pages; it is read in place."""
        recording = Recording(secrets.token_hex(8), shown_name(path.name), path.absolute(), self.new_folder(), "")
        await self.add(recording)
        return recording

    def clean(self, recording: Recording, settings: Settings) -> Result:
        """Start to clean a recording, unless that result exists or is in progress."""
        for result in recording.results.values():
            if result.settings == settings and result.state != "error":
                return result
        key = secrets.token_hex(8)
        result = Result(key, settings, recording.folder / f"result-{key}{recording.path.suffix}")
        recording.results[key] = result
        result.task = asyncio.create_task(self._clean(recording, result))
        return result

    async def _clean(self, recording: Recording, result: Result) -> None:
        def watch(header: Header) -> None:
            result.state, result.done = "running", header["done"]
            self.publish(recording)

        places = {"source": str(recording.path), "target": str(result.path)}
        self.publish(recording)
        try:
            result.report, _ = await self.cleaning.ask("clean", places | asdict(result.settings), watch)
            result.damage = result.report.pop("damage") or []
            if not recording.facts.get("exact", True):
                await self._copy(recording)
                result.copied = result.path.with_suffix(".f32")
                await self.reading.ask("copy", {"path": str(result.path), "target": str(result.copied)})
            result.state, result.done = "done", 1.0
        except AudioaeError as error:
            result.state, result.error = "error", recording.in_words(error)
            if isinstance(error, CancelledByUserError):
                recording.results.pop(result.key, None)
        finally:
            self.publish(recording)

    async def _copy(self, recording: Recording) -> None:
        if recording.copied is None:
            target = recording.folder / "input.f32"
            await self.reading.ask("copy", {"path": str(recording.path), "target": str(target)})
            recording.copied = target

    async def cancel(self, recording: Recording, result: Result) -> None:
        """Cancel a result and remove its files."""
        recording.results.pop(result.key, None)
        if result.task is not None:
            result.task.cancel()
            with suppress(asyncio.CancelledError):
                await result.task
        for path in (result.path, result.copied):
            if path is not None:
                path.unlink(missing_ok=True)
        self.publish(recording)

    async def remove(self, recording: Recording) -> None:
        """Remove a recording from the page, and its files from the private folder."""
        self.recordings.pop(recording.key, None)
        for result in list(recording.results.values()):
            await self.cancel(recording, result)
        await self.reading.forget(recording.folder)
        for link in [link for link, (path, _) in self.links.items() if path.is_relative_to(recording.folder)]:
            del self.links[link]
        await asyncio.to_thread(shutil.rmtree, recording.folder, ignore_errors=True)
        self.notify(recording.session, {"removed": recording.key})

    def link(self, path: Path, name: str) -> str:
        """Make an address to download a file from."""
        secret = secrets.token_urlsafe(24)
        self.links[secret] = (path, name)
        return f"/download/{secret}"

    def publish(self, recording: Recording) -> None:
        """Send the state of a recording to the pages that show it."""
        if recording.key in self.recordings:
            self.notify(recording.session, {"recording": recording.as_dict()})

    def notify(self, session: str, event: dict[str, Any]) -> None:
        """Send an event to a page, or to all pages if ``session`` is empty."""
        for name, each in self.sessions.items():
            if session in ("", name):
                for queue in each.queues:
                    if (
                        queue.qsize() >= MOST_EVENTS
                    ):  # the page does not read them: one event with the whole state replaces them
                        while not queue.empty():
                            queue.get_nowait()
                        event = {"recordings": [recording.as_dict() for recording in self.seen_by(name)]}
                    queue.put_nowait(event)

    async def sweep(self, every: float = 5.0) -> None:
        """Remove uploads of closed pages, periodically."""
        while True:
            await asyncio.sleep(min(every, self.grace / 4))
            now = time.monotonic()
            for name, session in list(self.sessions.items()):
                if not session.queues and now - session.left > self.grace:
                    del self.sessions[name]
                    for recording in [each for each in self.recordings.values() if each.session == name]:
                        await self.remove(recording)


def shown_name(name: str) -> str:
    """A file's name for display: its last part, without control characters, of bounded length.

    >>> shown_name("../../etc/pass\\nwd")
    'passwd'
    """
    last = re.split(r"[/\\]", name)[-1]
    return "".join(char for char in last if char.isprintable())[-120:] or "recording"


def ending(name: str) -> str:
    """The extension of a name if it is a plain one, else an empty text.

    >>> ending("a.FLAC"), ending("a.fl/ac"), ending("a")
    ('.FLAC', '', '')
    """
    found = Path(shown_name(name)).suffix
    return found if ENDING.fullmatch(found) else ""


def result_name(name: str) -> str:
    """The name that the command line gives to the result of a recording.

    >>> result_name("talk.flac")
    'talk.clean.flac'
    """
    path = Path(name)
    return f"{path.stem}.clean{path.suffix}"
