"""Routes for programs: an upload that is answered by the cleaned or restored file, and a WebSocket that cleans PCM."""

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from audioae.audio.speech_files import SPEECH_ENDINGS
from audioae.errors import AudioaeError, InputError
from audioae.studio import uploads
from audioae.studio.app_state import AppState
from audioae.studio.guard import PROTOCOL, protocols
from audioae.studio.store import Settings, ending, result_name, shown_name

LARGEST_CHUNK = 2**22
"""Bytes of PCM that are passed on at a time."""
LIVE_MODEL = "conv_dae"
TYPES = {".json": "application/json", ".csv": "text/csv", ".zip": "application/zip"}
OTHER_TYPE = "application/octet-stream"
FORMATS = tuple(each.removeprefix(".") for each in SPEECH_ENDINGS)
OF_FILES = (*uploads.SETTINGS, "vad", "answer")
DAMAGE = "damage.json"
OF_RESTORING = (*uploads.RESTORING, "answer")


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/denoise", denoise, methods=["POST", "PUT"]),
        Route("/api/restore", restore, methods=["POST", "PUT"]),
        WebSocketRoute("/api/stream", stream),
    ]


async def denoise(request: Request) -> Response:
    """``POST /api/denoise``: clean a file as ``audioae denoise`` does.

    The file is the body, or ``file`` in a form. Settings are those of the command line, in the address or in the form:
    ``model``, ``atten_limit``, ``for``, ``mix``, ``channels``, ``bitrate``, ``salvage``, ``codec``, ``track`` and
    ``loudness``. With a plain body, ``name`` is the file's name, whose extension sets the container. ``vad`` is a format of
    segments of speech: they are the answer, or with ``answer=both`` a ZIP archive has them and the cleaned file. The report
    is in the header ``Audioae-Report``.
    """
    return await _answered(request, _denoising)


async def restore(request: Request) -> Response:
    """``POST /api/restore``: repair a file as ``audioae restore`` does.

    The file comes as for :func:`denoise`. Settings are ``only``, kinds of damage with commas in between, ``denoise=1``,
    ``model``, ``bitrate``, ``salvage``, ``codec``, ``track`` and ``loudness``. With ``answer=report`` the report is the
    answer, which lists what was found, and with ``answer=both`` a ZIP archive has it and the restored file. The report in
    the header ``Audioae-Report`` has the number of findings of each kind in place of their list, which may be long.
    """
    return await _answered(request, _restoring)


@dataclass(frozen=True)
class _Parsed:
    """Parsed settings of a request.

    Attributes:
        settings: settings of the result.
        extra: name of a file to send with or in place of the sound, ``speech.srt`` or ``damage.json``; empty for none.
        sound: whether the sound is sent.
    """

    settings: Settings
    extra: str
    sound: bool


async def _denoising(studio: AppState, given: dict[str, str]) -> _Parsed:
    """Parse the settings of a request to reduce noise.

    Raises:
        InputError: an unknown or invalid setting.
    """
    speech = uploads.choice(given, "vad", FORMATS)  # before the model is looked up, which takes longer
    answer = uploads.choice(given, "answer", ("speech", "both"))
    if answer and not speech:
        raise InputError(f"answer={answer} needs vad, the format of the segments: {', '.join(FORMATS)}")
    settings = uploads.settings(given, await studio.denoisers(given.get("model")), OF_FILES)
    return _Parsed(settings, f"speech.{speech}" if speech else "", not speech or answer == "both")


async def _restoring(studio: AppState, given: dict[str, str]) -> _Parsed:
    """Parse the settings of a request to restore.

    Raises:
        InputError: an unknown or invalid setting.
    """
    answer = uploads.choice(given, "answer", ("sound", "report", "both")) or "sound"
    settings = uploads.restoring(given, await studio.restorers(given.get("model")), OF_RESTORING)
    return _Parsed(settings, "" if answer == "sound" else DAMAGE, answer != "report")


async def _answered(request: Request, read: Callable[[AppState, dict[str, str]], Awaitable[_Parsed]]) -> Response:
    """Receive a recording, process it, and send the result. ``read`` parses the settings."""
    studio: AppState = request.app.state.studio
    folder = studio.store.new_folder()
    work: asyncio.Task[tuple[dict[str, Any], bytes]] | None = None
    try:
        name, source, given = await _received(request, folder, studio.limit)
        parsed = await read(studio, given)
        target = folder / f"result{ending(name)}"
        options = asdict(parsed.settings) | {"source": str(source), "target": str(target)}
        if parsed.extra not in ("", DAMAGE):
            options |= {"speech": str(folder / parsed.extra), "name": shown_name(name)}
        work = asyncio.create_task(studio.store.cleaning.ask("clean", options))
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if not work.done():
            raise InputError("the client has disconnected")
        try:
            report, _ = work.result()
        except AudioaeError as error:
            raise InputError(str(error).replace(str(source), shown_name(name)).replace(f"{folder}/", "")) from None
        report |= {"input": shown_name(name), "output": result_name(shown_name(name))}
        result, shown = await asyncio.to_thread(_answer, parsed, folder, target, shown_name(name), report)
    except BaseException:
        if work is not None and not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError, AudioaeError):
                await work
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if report["damage"] is not None:  # a list may be too long for a header
        report["damage"] = dict(Counter(each["kind"] for each in report["damage"]))
    headers = {
        "Content-Length": str(result.stat().st_size),
        "Content-Disposition": disposition(shown),
        "Audioae-Report": json.dumps(report),
    }
    kind = TYPES.get(result.suffix, OTHER_TYPE) if result != target else OTHER_TYPE
    return StreamingResponse(_file(result, folder), headers=headers, media_type=kind)


def _answer(parsed: _Parsed, folder: Path, target: Path, name: str, report: dict[str, Any]) -> tuple[Path, str]:
    """The file to send, and its name."""
    if not parsed.extra:
        return target, result_name(name)
    extra, shown = folder / parsed.extra, f"{Path(name).stem}.{parsed.extra}"
    if parsed.extra == DAMAGE:  # the worker has written segments of speech
        extra.write_text(json.dumps(report), encoding="utf-8")
    if not parsed.sound:
        return extra, shown
    both = folder / "both.zip"
    with ZipFile(both, "w") as archive:
        archive.write(target, result_name(name))
        archive.write(extra, shown)
    return both, f"{Path(name).stem}.zip"


async def _received(request: Request, folder: Path, limit: int) -> tuple[str, Path, dict[str, str]]:
    given = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        name, source, fields = await uploads.save_form(request, folder, limit)
        return name, source, given | fields
    name = given.pop("name", "recording.wav")
    source = folder / f"input{ending(name)}"
    await uploads.save(request, source, limit)
    return name, source, given


async def _gone(request: Request) -> None:
    """Wait until the client disconnects."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _file(path: Path, folder: Path) -> AsyncIterator[bytes]:
    """The bytes of a file. Its folder is removed at the end, also after a broken download."""
    try:
        with open(path, "rb") as file:
            while data := await asyncio.to_thread(file.read, 2**18):
                yield data
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def disposition(name: str) -> str:
    """Content-Disposition of a download.

    >>> disposition("a b.wav")
    "attachment; filename*=UTF-8''a%20b.wav"
    """
    return f"attachment; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'))}"


async def stream(socket: WebSocket) -> None:
    """``/api/stream?rate=16000``: clean PCM as it arrives.

    The address has ``rate``, ``count`` (channels), ``encoding``, ``model``, ``atten_limit``, ``for``, ``mix`` and
    ``channels``, as ``audioae stream`` has. The first answer is a JSON text with ``latency_samples``; each binary message is
    answered by one with the samples that are ready. With ``speech=1`` the first text has ``speech_frame`` too, and each
    binary answer is followed by the text ``{"speech": [0.9, 0.8]}``: the probability of speech in each frame of so many
    samples that it has completed. The text ``{"strength": {"atten_limit": 12, "mix": 1}}`` sets the strength from the next
    sample on. It is not answered; by default there is no limit and ``mix`` is 1. The text ``end`` ends the stream: the rest
    is sent, and the server closes. Other texts are rejected. The output has as many samples as the input, and equals that of
    :class:`audioae.Streamer`.
    """
    studio: AppState = socket.app.state.studio
    await socket.accept(PROTOCOL if PROTOCOL in protocols(socket.headers) else None)
    try:
        given = dict(socket.query_params)
        own: dict[str, Any] = {name: given.pop(name) for name in ("rate", "count", "encoding", "speech") if name in given}
        settings = uploads.settings({"model": LIVE_MODEL} | given, await studio.denoisers(LIVE_MODEL), uploads.OF_STREAMS)
        args = asdict(settings) | {
            "rate": int(uploads.number(own, "rate", 8_000, 192_000)),
            "count": int(uploads.number(own, "count", 1, 64, 1)),
            "encoding": own.get("encoding", "s16"),
            "speech": uploads.choice(own, "speech", ("0", "1")) == "1",
        }
        async with aclosing(studio.creating.stream(args, _chunks(socket))) as answers:
            async for header, ready in answers:
                if "facts" in header:
                    await socket.send_text(json.dumps(header["facts"]))
                    continue
                await socket.send_bytes(ready)
                if "speech" in header:
                    await socket.send_text(json.dumps({"speech": header["speech"]}))
        await socket.close()
    except WebSocketDisconnect:
        return
    except AudioaeError as error:
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.send_text(json.dumps({"error": str(error)}))
            await socket.close(1008)


async def _chunks(socket: WebSocket) -> AsyncIterator[bytes | dict[str, Any]]:
    """Samples, and strengths in between."""
    while True:
        message = await socket.receive()
        text = message.get("text")
        if message["type"] == "websocket.disconnect" or text == "end":
            return
        if text is not None:
            yield _strength(text)
            continue
        data = message.get("bytes") or b""
        for start in range(0, max(1, len(data)), LARGEST_CHUNK):
            yield data[start : start + LARGEST_CHUNK]


def _strength(text: str) -> dict[str, Any]:
    """The strength that a control message sets.

    Raises:
        InputError: another message, or a value out of range.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or not isinstance(given := message.pop("strength", None), dict) or message:
        raise InputError(
            f"no such message: {text[:100]!r}: send samples as binary messages, "
            'strengths as {"strength": {"atten_limit": 12}}, and at the end the text end'
        )
    settings = uploads.settings(given, {"default": ""}, uploads.OF_STRENGTH)
    return {"atten_limit": settings.atten_limit, "mix": settings.mix}


def refused(_: Request, error: Exception) -> JSONResponse:
    """An error as JSON."""
    return JSONResponse({"error": str(error)}, 400)
