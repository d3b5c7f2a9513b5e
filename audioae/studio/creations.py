"""Routes of the page Sounds: generated sounds, and recordings decoded from an autoencoder's codes."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from audioae.errors import InputError
from audioae.studio import uploads
from audioae.studio.pages import session_of, studio_of
from audioae.studio.processes import WorkerProcess

MOST_MOVES = 8


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/sounds/draw", draw, methods=["POST"]),
        Route("/api/sounds/change", change, methods=["POST"]),
        Route("/api/sounds/sample", sample, methods=["POST"]),
        Route("/api/sounds/codes", codes, methods=["POST"]),
    ]


async def draw(request: Request) -> Response:
    """Generate a grid of sounds: ``model``, ``count``, ``seed``, ``label`` and ``truncation``, as ``audioae generate``."""
    return await _answer(request, "draw", await _sound(request, await uploads.json_of(request)))


async def change(request: Request) -> Response:
    """Edit a generated sound: ``sound`` with its ``index`` and ``moves`` along the model's directions, or interpolated with
    ``to`` at the position ``share``.
    """
    given = await uploads.json_of(request)
    args: dict[str, Any] = {"sound": await _sound(request, given.get("sound"))}
    if given.get("to") is not None:
        args |= {"to": await _sound(request, given["to"]), "share": uploads.number(given, "share", 0, 1)}
        if args["to"]["model"] != args["sound"]["model"]:
            raise InputError("the two sounds are of different models")
    return await _answer(request, "change", args)


async def sample(request: Request) -> Response:
    """Sample a variational autoencoder: ``model``, ``count``, ``seed`` and ``patches``."""
    given = await uploads.json_of(request)
    args = {
        "model": await _model(request, "autoencoders", given),
        "count": int(uploads.number(given, "count", 1, 48)),
        "seed": int(uploads.number(given, "seed", 0, 2**53)),
        "patches": int(uploads.number(given, "patches", 1, 40, 1)),
    }
    return await _answer(request, "sample", args)


async def codes(request: Request) -> Response:
    """Reconstruct a ``recording`` by ``model`` from its codes, after ``moves`` or interpolated with ``to`` at ``share``.

    ``with_input`` and ``draft`` are those of :func:`audioae.studio.creating.codes`.
    """
    given = await uploads.json_of(request)
    studio, session = studio_of(request), session_of(request)
    recording = studio.store.recording(session, str(given.get("recording")))
    other = None if given.get("to") is None else studio.store.recording(session, str(given["to"]))
    args = {
        "path": str(recording.path),
        "to": None if other is None else str(other.path),
        "share": uploads.number(given, "share", 0, 1, 0.0),
        "model": await _model(request, "autoencoders", given),
        "moves": _moves(given),
        "with_input": given.get("with_input", True) is True,
        "draft": None if given.get("draft") is None else int(uploads.number(given, "draft", 0, 10_000)),
    }
    # A slider that moves again does not wait for the whole reconstruction: another worker makes that.
    worker = studio.creating if args["draft"] is not None else studio.store.cleaning
    try:
        return await _answer(request, "codes", args, worker)
    except InputError as error:
        raise InputError(recording.in_words(other.in_words(error) if other else error)) from None


async def _sound(request: Request, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InputError("the request names no sound")
    truncation, label = given.get("truncation"), given.get("label")
    return {
        "model": await _model(request, "generators", given),
        "count": int(uploads.number(given, "count", 1, 48)),
        "seed": int(uploads.number(given, "seed", 0, 2**53)),
        "index": int(uploads.number(given, "index", 0, 47, 0)),
        "label": None if label is None else str(label)[:100],
        "truncation": None if truncation is None else uploads.number(given, "truncation", 0.05, 6),
        "moves": _moves(given),
    }


async def _model(request: Request, kind: str, given: Mapping[str, Any]) -> str:
    known = {each["name"]: each["model"] for each in (await studio_of(request).listing())[kind]}
    if given.get("model") not in known:
        raise InputError(f"{str(given.get('model'))[:100]}: no such model (there are {', '.join(known)})")
    return str(known[given["model"]])


def _moves(given: Mapping[str, Any]) -> list[float]:
    moves = given.get("moves") or []
    if not isinstance(moves, list) or len(moves) > MOST_MOVES:
        raise InputError(f"moves: give a list of {MOST_MOVES} numbers at most")
    return [uploads.number({"move": each}, "move", -10, 10) for each in moves]


async def _answer(request: Request, what: str, args: dict[str, Any], worker: WorkerProcess | None = None) -> Response:
    session_of(request)
    header, data = await (worker or studio_of(request).creating).ask(what, args)
    return Response(data, media_type="application/octet-stream", headers={"Audioae-Sounds": json.dumps(header)})
