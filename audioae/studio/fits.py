"""Fitting a model to the noise in a recording, for the page: one at a time, in a process of its own."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from audioae.errors import AudioaeError, InputError
from audioae.studio import uploads
from audioae.studio.frames import Header
from audioae.studio.hub import Hub
from audioae.studio.pages import hub_of, recording_of, session_of
from audioae.studio.pool import Worker
from audioae.studio.store import Recording


def routes() -> list[BaseRoute]:
    """Of these."""
    return [Route("/api/files/{key}/fit", begin, methods=["POST"]), Route("/api/fit", end, methods=["DELETE"])]


async def begin(request: Request) -> Response:
    """Begin: ``start`` and ``frames`` of the noise, ``minutes`` and ``model``; events tell how it gets on.

    Raises:
        InputError: another one runs, or a value that cannot be.
    """
    hub, recording = hub_of(request), recording_of(request)
    given = await uploads.json_of(request)
    start = int(uploads.number(given, "start", 0, recording.facts["frames"] - 1))
    frames = int(uploads.number(given, "frames", 1, recording.facts["frames"] - start))
    minutes = uploads.number(given, "minutes", 0.05, 24 * 60)
    model = uploads.settings({"model": given.get("model")}, await hub.denoisers(given.get("model"))).model
    if hub.fitting is not None and not hub.fitting.done():
        raise InputError("a model is being fitted already: wait for it, or cancel it")
    name = f"fitted-{len(hub.fitted) + 1}"
    args = {"source": str(recording.path), "start": start, "frames": frames, "model": model, "seconds": 60 * minutes,
            "target": str(hub.store.folder / f"{name}.safetensors")}  # fmt: skip
    hub.fitting = asyncio.create_task(_fit(hub, session_of(request), recording, name, args))
    return JSONResponse({"name": name})


async def end(request: Request) -> Response:
    """Give it up."""
    session_of(request)
    await give_up(hub_of(request))
    return JSONResponse({})


async def give_up(hub: Hub) -> None:
    """End what runs, if anything does."""
    if hub.fitting is not None:
        hub.fitting.cancel()
        with suppress(asyncio.CancelledError):
            await hub.fitting


async def _fit(hub: Hub, session: str, recording: Recording, name: str, args: dict[str, Any]) -> None:
    def tell(state: str, text: str, **more: Any) -> None:
        hub.store.tell(session, {"fit": {"state": state, "name": name, "text": text, **more}})

    def watch(header: Header) -> None:
        tell("running", header["text"], share=header["done"])

    worker = Worker(hub.store.folder, "fitting", tries=1)
    tell("running", "beginning", share=0.0)
    try:
        found, _ = await worker.ask("fit", args, watch)
    except AudioaeError as error:
        tell("error", recording.in_words(error).replace(f"{hub.store.folder}/", ""), share=0.0)
        return
    except asyncio.CancelledError:
        tell("error", "cancelled", share=0.0)
        raise
    finally:
        await worker.close()
        for left in hub.store.folder.glob("audioae-adapt-*"):
            shutil.rmtree(left, ignore_errors=True)
    if not found["made"]:
        tell("error", "on other noise it became worse by more than 0.3 dB: choose more of the noise", share=1.0)
        return
    hub.fitted[name] = args["target"]
    own = found["own"]
    text = (
        f"{name}: SI-SDR on this noise {own['before']:.1f} dB before and {own['after']:.1f} dB after fitting "
        f"(input {own['noisy']:.1f} dB), after {found['steps']} steps"
    )
    tell("done", text, share=1.0, figures=found, url=hub.store.link(Path(args["target"]), f"{name}.safetensors"))
