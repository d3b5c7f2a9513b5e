"""The recordings and results of everyone who looks at the studio, and who is told of what becomes of them."""

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
from audioae.studio.frames import Header
from audioae.studio.pool import CancelledByClientError, Worker

MOST_FILES = 200
"""Recordings of one page."""
MOST_SESSIONS = 64
MOST_EVENTS = 500
ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")
SESSION = re.compile(r"[A-Za-z0-9-]{8,64}")


@dataclass(frozen=True)
class Settings:
    """How to clean a recording, as the options of ``audioae denoise``.

    Attributes:
        model: name or path.
        atten_limit: attenuation limit in dB; None for none.
        mix: share of the result, 0 to 1; the rest is the input.
        channels: ``linked`` or ``independent``.
        bitrate: of coded results in kbit/s; None for that of the input.
        salvage: whether to clean the readable part of a damaged recording.
    """

    model: str
    atten_limit: float | None = None
    mix: float = 1.0
    channels: str = "linked"
    bitrate: int | None = None
    salvage: bool = False


@dataclass
class Result:
    """A recording cleaned in one way.

    Attributes:
        key: what the page calls it.
        settings: how.
        path: the file.
        state: ``waiting``, ``running``, ``done`` or ``error``.
    """

    key: str
    settings: Settings
    path: Path
    state: str = "waiting"
    done: float = 0.0
    report: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    copied: Path | None = None
    task: asyncio.Task[None] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self.settings) | {
            "id": self.key, "model": Path(self.settings.model).stem, "state": self.state, "done": self.done,
            "report": self.report, "error": self.error,
        }  # fmt: skip


@dataclass
class Recording:
    """A recording on the page.

    Attributes:
        key: what the page calls it.
        name: its file's name, for people.
        path: where it lies.
        folder: its folder in the private one.
        session: whose it is; empty for those that the command line names, which are everyone's.
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
        """For the page."""
        results = [result.as_dict() for result in self.results.values()]
        return {"id": self.key, "name": self.name, "error": self.error, "results": results, **self.facts}

    def place(self, result: Result | None = None) -> dict[str, Any]:
        """Where a worker reads it, or a result of it."""
        path, copied = (self.path, self.copied) if result is None else (result.path, result.copied)
        raw = None if copied is None else (self.facts["rate"], self.facts["channels"])
        return {"path": str(copied or path), "raw": raw}

    def in_words(self, error: object) -> str:
        """An error that names the recording by its own name."""
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
    """All of that.

    Args:
        folder: the private folder.
        cleaning: the worker that cleans.
        reading: the worker that reads and draws recordings.
        grace: seconds after which what a closed page has left is removed.
    """

    def __init__(self, folder: Path, cleaning: Worker, reading: Worker, grace: float = 120.0) -> None:
        self.folder, self.cleaning, self.reading, self.grace = folder, cleaning, reading, grace
        self.recordings: dict[str, Recording] = {}
        self.sessions: dict[str, Session] = {}
        self.links: dict[str, tuple[Path, str]] = {}
        """Files that can be downloaded by an address that cannot be guessed, and their names."""

    def session(self, name: str) -> Session:
        """The page that calls itself so.

        Raises:
            InputError: an impossible name, or too many pages.
        """
        if name not in self.sessions:
            if not SESSION.fullmatch(name):
                raise InputError("the page does not say which one it is: reload it")
            if len(self.sessions) >= MOST_SESSIONS:
                raise InputError(f"{MOST_SESSIONS} pages are open: close one")
            self.sessions[name] = Session()
        return self.sessions[name]

    def seen_by(self, session: str) -> list[Recording]:
        """The recordings of a page and those of everyone."""
        return [each for each in self.recordings.values() if each.session in ("", session)]

    def recording(self, session: str, key: str) -> Recording:
        """One of them.

        Raises:
            InputError: there is no such one.
        """
        found = self.recordings.get(key)
        if found is None or found.session not in ("", session):
            raise InputError("this recording is no longer there: choose its file again")
        return found

    def new_folder(self) -> Path:
        """A new folder in the private one."""
        folder = self.folder / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        return folder

    def place_for(self, session: str, name: str) -> Recording:
        """A place for a recording that is about to be uploaded; its name decides on the ending and on nothing else.

        Raises:
            InputError: there are too many.
        """
        self.session(session)
        if len(self.seen_by(session)) >= MOST_FILES:
            raise InputError(f"{MOST_FILES} recordings are open: remove some")
        folder = self.new_folder()
        return Recording(secrets.token_hex(8), shown_name(name), folder / f"input{ending(name)}", folder, session)

    async def add(self, recording: Recording) -> None:
        """Show a recording; what is wrong with it is shown too."""
        self.recordings[recording.key] = recording
        try:
            recording.facts, _ = await self.reading.ask("probe", {"path": str(recording.path)})
        except AudioaeError as error:
            recording.error = recording.in_words(error)
        self.publish(recording)

    async def open(self, path: Path) -> Recording:
        """Show a file of this machine to everyone, where it is."""
        recording = Recording(secrets.token_hex(8), shown_name(path.name), path.absolute(), self.new_folder(), "")
        await self.add(recording)
        return recording

    def clean(self, recording: Recording, settings: Settings) -> Result:
        """Begin to clean a recording, unless that is done or under way."""
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
            if not recording.facts.get("exact", True):
                await self._copy(recording)
                result.copied = result.path.with_suffix(".f32")
                await self.reading.ask("copy", {"path": str(result.path), "target": str(result.copied)})
            result.state, result.done = "done", 1.0
        except AudioaeError as error:
            result.state, result.error = "error", recording.in_words(error)
            if isinstance(error, CancelledByClientError):
                recording.results.pop(result.key, None)
        finally:
            self.publish(recording)

    async def _copy(self, recording: Recording) -> None:
        if recording.copied is None:
            target = recording.folder / "input.f32"
            await self.reading.ask("copy", {"path": str(recording.path), "target": str(target)})
            recording.copied = target

    async def cancel(self, recording: Recording, result: Result) -> None:
        """Give up a result, and remove what there is of it."""
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
        """Take a recording off the page and remove all of it that lies in the private folder."""
        self.recordings.pop(recording.key, None)
        for result in list(recording.results.values()):
            await self.cancel(recording, result)
        await self.reading.forget(recording.folder)
        for link in [link for link, (path, _) in self.links.items() if path.is_relative_to(recording.folder)]:
            del self.links[link]
        await asyncio.to_thread(shutil.rmtree, recording.folder, ignore_errors=True)
        self.tell(recording.session, {"removed": recording.key})

    def link(self, path: Path, name: str) -> str:
        """An address to download a file from."""
        secret = secrets.token_urlsafe(24)
        self.links[secret] = (path, name)
        return f"/download/{secret}"

    def publish(self, recording: Recording) -> None:
        """Tell those who see a recording what has become of it."""
        if recording.key in self.recordings:
            self.tell(recording.session, {"recording": recording.as_dict()})

    def tell(self, session: str, event: dict[str, Any]) -> None:
        """Tell a page something; all pages, where it is of no one in particular."""
        for name, each in self.sessions.items():
            if session in ("", name):
                for queue in each.queues:
                    if queue.qsize() >= MOST_EVENTS:  # of a page that does not read them: all it needs is how things stand
                        while not queue.empty():
                            queue.get_nowait()
                        event = {"recordings": [recording.as_dict() for recording in self.seen_by(name)]}
                    queue.put_nowait(event)

    async def sweep(self, every: float = 5.0) -> None:
        """Remove what closed pages have left, again and again."""
        while True:
            await asyncio.sleep(min(every, self.grace / 4))
            now = time.monotonic()
            for name, session in list(self.sessions.items()):
                if not session.queues and now - session.left > self.grace:
                    del self.sessions[name]
                    for recording in [each for each in self.recordings.values() if each.session == name]:
                        await self.remove(recording)


def shown_name(name: str) -> str:
    """A file's name as people may see it: its last part, without control characters, of a bounded length.

    >>> shown_name("../../etc/pass\\nwd")
    'passwd'
    """
    last = re.split(r"[/\\]", name)[-1]
    return "".join(char for char in last if char.isprintable())[-120:] or "recording"


def ending(name: str) -> str:
    """The ending of a name if it is a plain one, else none.

    >>> ending("a.FLAC"), ending("a.fl/ac"), ending("a")
    ('.FLAC', '', '')
    """
    found = Path(shown_name(name)).suffix
    return found if ENDING.fullmatch(found) else ""


def result_name(name: str) -> str:
    """What the command line would call the result of a recording.

    >>> result_name("talk.flac")
    'talk.clean.flac'
    """
    path = Path(name)
    return f"{path.stem}.clean{path.suffix}"
