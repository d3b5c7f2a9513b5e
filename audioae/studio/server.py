"""The studio's server: socket, application, worker processes, and removal of the private folder."""

import asyncio
import ipaddress
import logging
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.websockets.wsproto_impl import WSProtocol

from audioae.errors import AudioaeError, InputError, OutputError
from audioae.studio import creations, fits, pages, programs, trainings
from audioae.studio.app_state import AppState, BlindTest
from audioae.studio.guard import LOOPBACK, Guard
from audioae.studio.processes import WorkerProcess
from audioae.studio.store import Recording, Store

STATIC = Path(__file__).parent / "static"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
"""Media types of the page's own files by ending."""
UPLOAD_BYTES = 2**31
"""Default size limit of uploads: three hours of stereo at 44.1 kHz and 16 bits."""
FAREWELL_SECONDS = 2
OPENING_SECONDS = 1.0
"""Longest time that loading models waits for the page to open."""
MOST_MESSAGE = 2**23
MOST_DRAINED = 2**26
"""Bytes that are read of an upload that is too large, so that the client gets to read the error."""


@dataclass(frozen=True)
class StudioConfig:
    """Settings of the studio.

    Attributes:
        paths: recordings to list.
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        models: paths of models to list beside those of the package.
        default: name or path of the default model.
        test: two models for the listening test.
        compared: recordings of the listening test, listed beside ``paths``.
        limit: largest upload in bytes.
        grace: seconds until the uploads of a closed page are removed.
        runs: folder of trainings.
    """

    paths: Sequence[Path] = ()
    host: str = "127.0.0.1"
    port: int = 0
    models: Sequence[str] = ()
    default: str = "default"
    test: tuple[str, str] | None = None
    compared: Sequence[Path] = ()
    limit: int = UPLOAD_BYTES
    grace: float = 120.0
    runs: Path | None = None


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(config: StudioConfig, ready: Callable[[str], object]) -> None:
    """Run the studio until SIGINT or SIGTERM.

    Args:
        config: settings.
        ready: called with the address of the page when the server listens.

    Raises:
        OutputError: the address cannot be listened on.
        ModelFileError: an unusable model.
    """
    listener = _listener(config.host, config.port)
    folder = Path(tempfile.mkdtemp(prefix="audioae-studio-"))
    try:
        asyncio.run(_serve(config, listener, folder, ready))
    finally:
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise OutputError(f"{host}:{port}: cannot listen there: {error.strerror or error}: give another --port") from None
    return listener


async def _serve(config: StudioConfig, listener: socket.socket, folder: Path, ready: Callable[[str], object]) -> None:
    token = secrets.token_urlsafe(24)
    failures: list[AudioaeError] = []

    def failed(error: AudioaeError) -> None:
        failures.append(error)
        server.end()

    endings: list[Callable[[], None]] = []
    app = application(config, folder, token, failed, endings)
    server = _Server(
        endings,
        uvicorn.Config(
            app, log_level="critical", access_log=False, server_header=False, lifespan="on",
            ws=WSProtocol, ws_max_size=MOST_MESSAGE, timeout_graceful_shutdown=FAREWELL_SECONDS,
            h11_max_incomplete_event_size=2**16,
        ),
    )  # fmt: skip
    task = asyncio.create_task(server.serve(sockets=[listener]))
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, and other threads than the first
            asyncio.get_running_loop().add_signal_handler(number, server.end)
    while not server.started and not task.done():
        await asyncio.sleep(0.01)
    if not task.done():
        host = f"[{config.host}]" if ":" in config.host else config.host
        ready(f"http://{host}:{listener.getsockname()[1]}/#token={token}")
    await task
    if failures:
        raise failures[0]


class _Server(uvicorn.Server):
    def __init__(self, endings: Sequence[Callable[[], None]], config: uvicorn.Config) -> None:
        super().__init__(config)
        self._endings = endings

    def end(self) -> None:
        """Stop. Answers in progress get some seconds; a second call ends them at once."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        for each in self._endings:
            each()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the event loop."""
        yield


def application(
    config: StudioConfig,
    folder: Path,
    token: str,
    failed: Callable[[AudioaeError], None],
    endings: list[Callable[[], None]],
) -> Guard:
    """The application.

    Args:
        config: settings.
        folder: the private folder; the caller makes and removes it.
        token: secret that requests must contain.
        failed: called with errors of models and recordings that the command line names.
        endings: list to which functions are appended that must be called before the server ends.
    """

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        reading, cleaning, creating = (
            WorkerProcess(folder, "views"),
            WorkerProcess(folder, "cleaning"),
            WorkerProcess(folder, "models"),
        )
        store = Store(folder, cleaning, reading, config.grace)
        test = None if config.test is None else BlindTest(config.test)
        app.state.studio = AppState(store, config.limit, config.default, list(config.models), creating, test, config.runs)
        endings.append(lambda: store.notify("", {"end": True}))
        beginning = asyncio.create_task(_begin(app.state.studio, config, failed))
        sweeping = asyncio.create_task(store.sweep())
        try:
            yield
        finally:
            for task in (beginning, sweeping):
                task.cancel()
            await fits.give_up(app.state.studio)
            await asyncio.gather(*(worker.close() for worker in (reading, cleaning, creating)))

    routes = [
        Route("/", _page),
        *pages.routes(),
        *programs.routes(),
        *fits.routes(),
        *creations.routes(),
        *trainings.routes(),
        Route("/static/{name}", _static),
    ]
    failures: Any = {AudioaeError: programs.refused, HTTPException: _failed, ClientDisconnect: _gone, Exception: _broken}
    app = Starlette(routes=routes, lifespan=life, exception_handlers=failures)
    names = {*LOOPBACK, config.host}
    return Guard(app, token, names, not is_loopback(config.host))


async def _begin(studio: AppState, config: StudioConfig, failed: Callable[[AudioaeError], None]) -> None:
    """Start the worker processes and open the recordings of the command line."""
    await studio.store.reading.start()
    with suppress(TimeoutError):  # the other processes would take the cores that the browser needs
        await asyncio.wait_for(studio.opened.wait(), OPENING_SECONDS)

    async def opened() -> list[Recording]:
        compared = [await studio.store.open(path) for path in config.compared]
        for path in config.paths:
            await studio.store.open(path)
        return compared

    async def check_models() -> None:
        known = {"default", *(each["name"] for each in (await studio.listing())["denoisers"])}
        for name in config.test or ():
            if name not in known:
                raise InputError(f"{name}: no such model to compare (there are {', '.join(known)}, and paths by --model)")

    try:
        recordings, _ = await asyncio.gather(opened(), check_models())
    except AudioaeError as error:
        failed(error)
        return
    await studio.store.cleaning.start()
    if studio.test is not None:
        studio.test.keys += [each.key for each in recordings if not each.error]
        studio.store.notify("", {"test": studio.test.as_dict()})


async def _page(_: Request) -> Response:
    return Response(_files()["index.html"], media_type="text/html")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _files():
        raise HTTPException(404)
    return Response(_files()[name], media_type=TYPES[Path(name).suffix])


@cache
def _files() -> dict[str, bytes]:
    """Contents of the page's own files by name: small, and read once."""
    return {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in TYPES}


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "it is registered for these"
    if error.status_code == 413:  # clients read the answer only after they have sent all
        left = MOST_DRAINED
        while left > 0 and (message := await request.receive()).get("more_body"):
            left -= len(message.get("body", b""))
    return JSONResponse({"error": error.detail}, error.status_code)


def _gone(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the upload was broken off"}, 400)


def _broken(_: Request, error: Exception) -> Response:
    logging.getLogger(__name__).error("an error in audioae itself", exc_info=error)
    return JSONResponse({"error": f"an error in audioae itself ({type(error).__name__}): please report it"}, 500)
