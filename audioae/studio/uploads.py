"""Request bodies of bounded size, JSON, and settings named as on the command line."""

import asyncio
import json
import math
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from audioae.errors import InputError
from audioae.nn.strength import FOR_ASR
from audioae.studio.store import Settings, ending

JSON_BYTES = 2**20
SPARE_BYTES = 2**28
"""Disk space that uploads leave free."""
CHECK_BYTES = 2**24
OF_STRENGTH = ("atten_limit", "for", "mix")
OF_STREAMS = ("model", *OF_STRENGTH, "channels")
OF_WRITING = ("bitrate", "salvage", "codec", "track", "loudness")
SETTINGS = (*OF_STREAMS, *OF_WRITING)
RESTORING = ("model", "only", "denoise", *OF_WRITING)


class TooLargeError(HTTPException):
    """An upload beyond the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"the upload is larger than {limit // 2**20} MiB: clean it by `audioae denoise`")


async def save(request: Request, target: Path, limit: int) -> None:
    """Write a body to a file.

    Raises:
        HTTPException: larger than ``limit`` bytes, or the disk is full.
        InputError: the body is empty.
    """
    _check_announced(request, limit)
    await _write(request.stream(), target, limit)


async def save_form(request: Request, folder: Path, limit: int) -> tuple[str, Path, dict[str, str]]:
    """Save the file of a form. Returns its name, its path and the other fields.

    Raises:
        HTTPException: larger than ``limit`` bytes, damaged, or the disk is full.
        InputError: no file, or several files.
    """
    _check_announced(request, limit)
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await request.receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise TooLargeError(limit)
        return message

    async with Request(request.scope, counted).form(max_files=1, max_fields=20) as form:
        files = [each for each in form.values() if isinstance(each, UploadFile)]
        if len(files) != 1:
            raise InputError("give one recording, as in curl -F file=@noisy.wav")
        name = files[0].filename or "recording"
        target = folder / f"input{ending(name)}"

        async def parts() -> AsyncIterator[bytes]:
            while data := await files[0].read(2**20):
                yield data

        await _write(parts(), target, limit)
        return name, target, {key: value for key, value in form.items() if isinstance(value, str)}


def _check_announced(request: Request, limit: int) -> None:
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limit:
        raise TooLargeError(limit)


async def _write(parts: AsyncIterator[bytes], target: Path, limit: int) -> None:
    total, checked = 0, -CHECK_BYTES
    with open(target, "xb") as file:
        async for data in parts:
            total += len(data)
            if total > limit:
                raise TooLargeError(limit)
            if total - checked >= CHECK_BYTES:
                checked = total
                if shutil.disk_usage(target.parent).free < SPARE_BYTES + CHECK_BYTES:
                    raise HTTPException(507, "the disk with the temporary folder is full: TMPDIR names another")
            await asyncio.to_thread(file.write, data)
    if not total:
        raise InputError("the file is empty")


async def json_of(request: Request) -> dict[str, Any]:
    """A small JSON object.

    Raises:
        HTTPException: too large.
        InputError: not a JSON object.
    """
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > JSON_BYTES:
            raise TooLargeError(JSON_BYTES)
    try:
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError("the request is not a JSON object")
    return found


def number(given: Mapping[str, Any], name: str, low: float, high: float, default: float | None = None) -> float:
    """A finite number in a range.

    Raises:
        InputError: it is not a number, or out of range.
    """
    value = given.get(name, default)
    try:
        found = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not low <= found <= high:  # neither is NaN
        raise InputError(f"{name} {value!r}: give a number from {low:g} to {high:g}")
    return found


def settings(given: Mapping[str, Any], models: Mapping[str, str], names: Sequence[str] = SETTINGS) -> Settings:
    """Settings of a request to reduce noise.

    Args:
        given: options of the command line: ``atten_limit`` or ``atten-limit``.
        models: names or paths of the available models by name, ``default`` among them.
        names: accepted options.

    Raises:
        InputError: an unknown setting or model, or an invalid value.
    """
    plain = _plain(given, names)
    return Settings(
        model=_model(plain, models),
        atten_limit=_limit(plain),
        mix=number(plain, "mix", 0, 1, 1.0),
        channels=choice(plain, "channels", ("linked", "independent")) or "linked",
        **_writing(plain),
    )


def restoring(given: Mapping[str, Any], models: Mapping[str, str], names: Sequence[str] = RESTORING) -> Settings:
    """Settings of a request to restore.

    Args:
        given: options of ``audioae restore``; ``only`` is a text with commas or a list.
        models: names or paths of the available restorers by name, ``default`` among them.
        names: accepted options.

    Raises:
        InputError: an unknown setting, model or kind of damage, or an invalid value.
    """
    from audioae.signal.damage import check_repairs  # loads numpy, which the server starts without

    plain = _plain(given, names)
    only = plain.get("only") or []
    kinds = [str(each)[:100].strip() for each in (only if isinstance(only, list) else str(only).split(","))]
    return Settings(
        model=_model(plain, models),
        repairs=check_repairs(kinds),
        denoise="default" if flag(plain, "denoise") else "",
        **_writing(plain),
    )


def _plain(given: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Settings with underscores in their names."""
    plain = {name.replace("-", "_"): value for name, value in given.items()}
    if unknown := sorted(set(plain) - set(names)):
        raise InputError(f"no such setting: {', '.join(unknown)[:200]} (there are {', '.join(names)})")
    return plain


def _model(plain: Mapping[str, Any], models: Mapping[str, str]) -> str:
    name = plain.get("model") or "default"
    if not isinstance(name, str) or name not in models:
        raise InputError(f"{str(name)[:100]}: no such model (there are {', '.join(models)})")
    return models[name]


def _writing(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The settings ``OF_WRITING``."""
    return {
        "bitrate": int(number(plain, "bitrate", 1, 4096)) if plain.get("bitrate") else None,
        "salvage": flag(plain, "salvage"),
        "codec": str(plain.get("codec") or "")[:40],
        "track": int(number(plain, "track", 1, 1024)) if plain.get("track") else 0,
        "loudness": number(plain, "loudness", -70, -5) if plain.get("loudness") not in (None, "") else None,
    }


def flag(given: Mapping[str, Any], name: str) -> bool:
    """A setting that is on or off, and off by default.

    Raises:
        InputError: another value.
    """
    value = given.get(name) or False
    if value in (True, "1", "true"):
        return True
    if value not in (False, "0", "false"):
        raise InputError(f"{name} {str(value)[:100]!r}: give 1 or 0")
    return False


def choice(given: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    """One of some words, or an empty text if the setting is not given.

    Raises:
        InputError: another word.
    """
    value = given.get(name) or ""
    if value and value not in choices:
        raise InputError(f"{name} {str(value)[:100]!r}: give {' or '.join(map(repr, choices))}")
    return str(value)


def _limit(given: Mapping[str, Any]) -> float | None:
    """The attenuation limit, which ``for`` sets too."""
    limit = None if given.get("atten_limit") in (None, "") else number(given, "atten_limit", 0, 1000)
    if not choice(given, "for", ("asr",)):
        return limit
    if limit is not None:
        raise InputError(f"for=asr sets atten_limit to {FOR_ASR:g} dB: give one of the two")
    return FOR_ASR
