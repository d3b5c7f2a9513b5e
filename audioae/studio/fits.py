"""Routes that adapt a model to the noise in a recording: one adaptation at a time, in a process of its own."""

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
from audioae.studio.app_state import AppState
from audioae.studio.messages import Header
from audioae.studio.pages import recording_of, session_of, studio_of
from audioae.studio.processes import WorkerProcess
from audioae.studio.store import Recording


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [Route("/api/files/{key}/fit", begin, methods=["POST"]), Route("/api/fit", end, methods=["DELETE"])]


async def begin(request: Request) -> Response:
    """Start an adaptation: ``start`` and ``frames`` of the noise, ``minutes`` and ``model``. Events report its progress.

    Raises:
        InputError: another adaptation runs, or an invalid value.
    """
    studio, recording = studio_of(request), recording_of(request)
    given = await uploads.json_of(request)
    start = int(uploads.number(given, "start", 0, recording.facts["frames"] - 1))
    frames = int(uploads.number(given, "frames", 1, recording.facts["frames"] - start))
    minutes = uploads.number(given, "minutes", 0.05, 24 * 60)
    model = uploads.settings({"model": given.get("model")}, await studio.denoisers(given.get("model"))).model
    if studio.fitting is not None and not studio.fitting.done():
        raise InputError("another model is being adapted: wait for it, or cancel it")
    name = f"fitted-{len(studio.fitted) + 1}"
    args = {"source": str(recording.path), "start": start, "frames": frames, "model": model, "seconds": 60 * minutes,
            "target": str(studio.store.folder / f"{name}.safetensors")}  # fmt: skip
    studio.fitting = asyncio.create_task(_fit(studio, session_of(request), recording, name, args))
    return JSONResponse({"name": name})


async def end(request: Request) -> Response:
    """Cancel the adaptation."""
    session_of(request)
    await give_up(studio_of(request))
    return JSONResponse({})


async def give_up(studio: AppState) -> None:
    """Cancel the adaptation that runs, if there is one."""
    if studio.fitting is not None:
        studio.fitting.cancel()
        with suppress(asyncio.CancelledError):
            await studio.fitting


async def _fit(studio: AppState, session: str, recording: Recording, name: str, args: dict[str, Any]) -> None:
    def notify(state: str, text: str, **more: Any) -> None:
        studio.store.notify(session, {"fit": {"state": state, "name": name, "text": text, **more}})

    def watch(header: Header) -> None:
        notify("running", header["text"], share=header["done"])

    worker = WorkerProcess(studio.store.folder, "fitting", tries=1)
    notify("running", "starting", share=0.0)
    try:
        found, _ = await worker.ask("fit", args, watch)
    except AudioaeError as error:
        notify("error", recording.in_words(error).replace(f"{studio.store.folder}/", ""), share=0.0)
        return
    except asyncio.CancelledError:
        notify("error", "cancelled", share=0.0)
        raise
    finally:
        await worker.close()
        for left in studio.store.folder.glob("audioae-adapt-*"):
            shutil.rmtree(left, ignore_errors=True)
    if not found["made"]:
        notify("error", "the model lost more than 0.3 dB on other noise: select a longer region of noise", share=1.0)
        return
    studio.fitted[name] = args["target"]
    own = found["own"]
    text = (
        f"{name}: SI-SDR on this noise {own['before']:.1f} dB before and {own['after']:.1f} dB after adaptation "
        f"(input {own['noisy']:.1f} dB), after {found['steps']} steps"
    )
    notify("done", text, share=1.0, figures=found, url=studio.store.link(Path(args["target"]), f"{name}.safetensors"))
