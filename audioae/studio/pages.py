"""Routes of the studio's page: recordings, results, samples, spectrograms and events."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from audioae import __version__
from audioae.errors import InputError
from audioae.recipe_files import DEFAULT
from audioae.studio import uploads
from audioae.studio.app_state import RESTORER, AppState
from audioae.studio.programs import disposition
from audioae.studio.store import Recording, Result, result_name

HEARTBEAT_SECONDS = 15.0


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/about", about),
        Route("/api/models", models),
        Route("/api/events", events),
        Route("/api/files", upload, methods=["POST"]),
        Route("/api/files/{key}", remove, methods=["DELETE"]),
        Route("/api/files/{key}/results", clean, methods=["POST"]),
        Route("/api/files/{key}/results/{result}", cancel, methods=["DELETE"]),
        Route("/api/files/{key}/results/{result}/damage", damage),
        Route("/api/files/{key}/results/{result}/link", link, methods=["POST"]),
        Route("/api/files/{key}/samples", samples),
        Route("/api/files/{key}/view", view),
        Route("/download/{secret}", download),
    ]


def studio_of(request: Request) -> AppState:
    """State that all requests share."""
    studio: AppState = request.app.state.studio
    return studio


def session_of(request: Request) -> str:
    """Name of the page that sent a request; its session is created if it is new."""
    name = request.headers.get("audioae-session", "")
    studio_of(request).store.session(name)
    return name


def recording_of(request: Request) -> Recording:
    """The recording in the address of a request."""
    return studio_of(request).store.recording(session_of(request), request.path_params["key"])


def result_of(recording: Recording, key: str | None) -> Result:
    """A result of a recording by its key.

    Raises:
        InputError: there is no such result.
    """
    found = recording.results.get(key or "")
    if found is None:
        raise InputError("this result is no longer there: clean the recording again")
    return found


async def about(request: Request) -> Response:
    """Version, limits, default model and listening test, for the page."""
    studio = studio_of(request)
    test = None if studio.test is None else studio.test.as_dict()
    return JSONResponse(
        {
            "version": __version__, "limit": studio.limit, "test": test,
            "model": Path(studio.default_model).stem, "default": DEFAULT, "restorer": RESTORER,
        }
    )  # fmt: skip


async def models(request: Request) -> Response:
    """All models by family."""
    studio = studio_of(request)
    found = await studio.listing()
    fitted = [{"name": name, "fitted": True, "default": False} for name in studio.fitted]
    return JSONResponse(found | {"denoisers": [*fitted, *found["denoisers"]]})


async def events(request: Request) -> Response:
    """Send server-sent events: first all recordings of the page, then every change."""
    studio, name = studio_of(request), session_of(request)
    session = studio.store.session(name)
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    session.queues.append(queue)
    studio.opened.set()

    async def told() -> AsyncIterator[str]:
        try:
            first: dict[str, Any] = {"recordings": [each.as_dict() for each in studio.store.seen_by(name)]}
            yield _event(first | ({"test": studio.test.as_dict()} if studio.test else {}))
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield ": heartbeat\n\n"
                    continue
                if "end" in event:
                    return
                yield _event(event)
        finally:
            session.queues.remove(queue)
            session.left = asyncio.get_running_loop().time()

    return StreamingResponse(told(), media_type="text/event-stream")


def _event(what: dict[str, Any]) -> str:
    return f"data: {json.dumps(what)}\n\n"


async def upload(request: Request) -> Response:
    """Take a recording as the body; ``name`` in the address is its file's name."""
    studio, session = studio_of(request), session_of(request)
    recording = studio.store.place_for(session, request.query_params.get("name", ""))
    try:
        await uploads.save(request, recording.path, studio.limit)
        await studio.store.add(recording)
    except BaseException:
        studio.store.recordings.pop(recording.key, None)
        shutil.rmtree(recording.folder, ignore_errors=True)
        raise
    return JSONResponse(recording.as_dict())


async def remove(request: Request) -> Response:
    """Remove a recording."""
    await studio_of(request).store.remove(recording_of(request))
    return JSONResponse({})


async def clean(request: Request) -> Response:
    """Start to clean a recording, or to restore it if the request has ``only``. Events report its progress."""
    studio, recording = studio_of(request), recording_of(request)
    given = await uploads.json_of(request)
    if "only" in given:
        settings = uploads.restoring(given, await studio.restorers(given.get("model")))
    else:
        settings = uploads.settings(given, await studio.denoisers(given.get("model")))
    return JSONResponse(studio.store.clean(recording, settings).as_dict())


async def cancel(request: Request) -> Response:
    """Cancel and remove a result."""
    recording = recording_of(request)
    await studio_of(request).store.cancel(recording, result_of(recording, request.path_params["result"]))
    return JSONResponse({})


async def damage(request: Request) -> Response:
    """Send what was found in a recording, as the report of ``audioae restore`` lists it."""
    return JSONResponse({"damage": _finished(recording_of(request), request.path_params["result"]).damage})


def _finished(recording: Recording, key: str) -> Result:
    """A result that is done.

    Raises:
        InputError: it is not done, or there is no such result.
    """
    result = result_of(recording, key)
    if result.state != "done":
        raise InputError("the result is not ready yet")
    return result


async def link(request: Request) -> Response:
    """Make an address to download a result: random, and valid until the recording is removed."""
    recording = recording_of(request)
    result = _finished(recording, request.path_params["result"])
    name = result_name(recording.name)
    return JSONResponse({"url": studio_of(request).store.link(result.path, name), "name": name})


async def samples(request: Request) -> Response:
    """Send samples of a recording, or of its ``result``: float32, channels interleaved."""
    recording, given = recording_of(request), request.query_params
    result = result_of(recording, given["result"]) if given.get("result") else None
    args = {"place": recording.place(result), "start": int(uploads.number(given, "start", 0, 2**53)),
            "frames": int(uploads.number(given, "frames", 1, 2**24))}  # fmt: skip
    found, data = await studio_of(request).store.reading.ask("samples", args)
    return Response(data, media_type="application/octet-stream", headers={"Audioae-Channels": str(found["channels"])})


async def view(request: Request) -> Response:
    """Send a spectrogram of a part of a recording; see :func:`audioae.studio.views.view`."""
    recording, given = recording_of(request), request.query_params
    kind = given.get("kind", "before")
    if kind not in ("before", "after", "removed"):
        raise InputError(f"kind {kind[:40]!r}: give before, after or removed")
    result = None if kind == "before" else result_of(recording, given.get("result"))
    args = {
        "before": recording.place(),
        "after": None if result is None else recording.place(result),
        "kind": kind,
        "dry": uploads.number(given, "dry", 0, 1, 0.0),
        **{name: int(uploads.number(given, name, low, 2**53)) for name, low in (("start", 0), ("frames", 1))},
        **{name: int(uploads.number(given, name, 1, 4096)) for name in ("columns", "rows")},
    }
    header, data = await studio_of(request).store.reading.ask("view", args)
    return Response(data, media_type="application/octet-stream", headers={"Audioae-View": json.dumps(header)})


async def download(request: Request) -> Response:
    """Send a result, by an address from :func:`link`."""
    found = studio_of(request).store.links.get(request.path_params["secret"])
    if found is None or not Path(found[0]).is_file():
        return JSONResponse({"error": "this download is no longer there"}, 404)
    path, name = found
    return FileResponse(path, media_type="application/octet-stream", headers={"Content-Disposition": disposition(name)})
