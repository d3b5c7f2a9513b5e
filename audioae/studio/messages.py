"""Messages between the server and its workers: a JSON header and bytes, preceded by their lengths."""

import asyncio
import json
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

Header = dict[str, Any]
Notify = Callable[..., None]
"""Called with the progress of a job by keyword: ``done``, 0 to 1, and others."""
_LENGTHS = struct.Struct("<II")


class CancelledError(Exception):
    """The request was cancelled."""


def pack(header: Header, payload: bytes = b"") -> bytes:
    """A message as bytes.

    >>> import io
    >>> read(io.BytesIO(pack({"id": 1}, b"abc")))
    ({'id': 1}, b'abc')
    """
    text = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return _LENGTHS.pack(len(text), len(payload)) + text + payload


def read(file: BinaryIO) -> tuple[Header, bytes] | None:
    """The next message of a file; None at its end."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header, payload = _LENGTHS.unpack(lengths)
    text, data = file.read(header), file.read(payload)
    return (_parse(text), data) if len(text) + len(data) == header + payload else None


async def read_from(stream: asyncio.StreamReader) -> tuple[Header, bytes]:
    """The next message of a stream.

    Raises:
        asyncio.IncompleteReadError: the other side has closed it.
    """
    header, payload = _LENGTHS.unpack(await stream.readexactly(_LENGTHS.size))
    return _parse(await stream.readexactly(header)), await stream.readexactly(payload)


def _parse(text: bytes) -> Header:
    header: Header = json.loads(text.decode("utf-8", "surrogatepass"))
    return header
