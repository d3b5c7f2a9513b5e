"""Routes of the page Trainings: curves, settings and samples of the trainings in a folder, also of running ones."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from audioae.errors import InputError
from audioae.studio.pages import studio_of
from audioae.studio.store import shown_name

LOG, RECIPE, SAMPLES = "log.jsonl", "recipe.json", "samples"
MOST_RUNS, MOST_FILES, MOST_POINTS = 200, 60, 400
MOST_SETTINGS, LONGEST_SETTING = 2**20, 120
MOST_BYTES = 2**23
"""Bytes that are read of a log, from its end."""
KINDS = {".png": "image/png", ".wav": "audio/wav"}


def routes() -> list[BaseRoute]:
    """Routes of this module."""
    return [
        Route("/api/trainings", listing),
        Route("/api/trainings/{run}", one),
        Route("/api/trainings/{run}/{file}", sample),
    ]


async def listing(request: Request) -> Response:
    """List the trainings, latest first."""
    runs = await asyncio.to_thread(_runs, studio_of(request).runs)
    return JSONResponse([{"name": name, "changed": (path / LOG).stat().st_mtime} for name, path in runs.items()])


async def one(request: Request) -> Response:
    """Send the curves of a training by section and name, as lists of steps and values; settings; names of samples."""
    path = await _run_of(request)
    curves = await asyncio.to_thread(curves_of, path / LOG)
    settings = await asyncio.to_thread(settings_of, path / RECIPE)
    return JSONResponse({"curves": curves, "settings": settings, "samples": list(_samples(path))})


async def sample(request: Request) -> Response:
    """Send a picture or a sound that a generator has written at a validation.

    Raises:
        InputError: there is no such sample.
    """
    found = _samples(await _run_of(request)).get(request.path_params["file"])
    if found is None:
        raise InputError("there is no such sample")
    return FileResponse(found, media_type=KINDS[found.suffix])


async def _run_of(request: Request) -> Path:
    found = (await asyncio.to_thread(_runs, studio_of(request).runs)).get(request.path_params["run"])
    if found is None:
        raise InputError("there is no such training")
    return found


def _runs(folder: Path | None) -> dict[str, Path]:
    """Folders with a log by name. Names in requests are looked up here and never become part of a path."""
    if folder is None or not folder.is_dir():
        return {}
    found = [path for path in (folder, *folder.iterdir()) if (path / LOG).is_file()]
    found.sort(key=lambda path: (path / LOG).stat().st_mtime, reverse=True)
    return {shown_name(path.name) or "run": path for path in found[:MOST_RUNS]}


def _samples(run: Path) -> dict[str, Path]:
    folder = run / SAMPLES
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    usable = [path for path in found if path.suffix in KINDS and path.is_file()]
    return {path.name: path for path in usable[-MOST_FILES:]}


def curves_of(log: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Losses and validation figures of a log, thinned to ``MOST_POINTS``; damaged lines are skipped."""
    with open(log, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - MOST_BYTES))
        lines = file.read(MOST_BYTES).split(b"\n")
    found: dict[str, tuple[list[int], list[float]]] = {}
    for line in lines:
        row = _parsed(line)
        for section in ("losses", "valid"):
            values = row.get(section)
            for name, value in values.items() if isinstance(values, dict) else ():
                if isinstance(value, int | float) and not isinstance(value, bool) and isinstance(row.get("step"), int):
                    steps, points = found.setdefault(f"{section}/{name}", ([], []))
                    steps.append(row["step"])
                    points.append(float(value))
    return {name: _downsampled(*curve) for name, curve in found.items()}


def settings_of(recipe: Path) -> dict[str, str]:
    """Settings of a resolved recipe by their dotted names, as text; empty if the recipe cannot be read."""
    try:
        with open(recipe, "rb") as file:
            found = _parsed(file.read(MOST_SETTINGS))
    except OSError:
        return {}
    return dict(_flat(found, ""))


def _flat(section: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{name}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{name}{key}", text if len(text) <= LONGEST_SETTING else f"{text[: LONGEST_SETTING - 2]} …"


def _downsampled(steps: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    """Average neighbouring points until there are at most ``MOST_POINTS``."""
    every = -(-len(steps) // MOST_POINTS)
    starts = range(0, len(steps), every)
    means = [sum(part) / len(part) for part in (values[start : start + every] for start in starts)]
    return [steps[min(start + every, len(steps)) - 1] for start in starts], means


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, dict) else {}
