"""Worker processes, as the server sees them. A process that was killed is replaced and gets its requests again."""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import audioae
from audioae.errors import AudioaeError, InputError
from audioae.studio.messages import Header, pack, read_from

QUEUED = 8
"""Largest number of unanswered chunks of a stream."""
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0", "OPENBLAS_NUM_THREADS": "1"}
Watch = Callable[[Header], None]


class CancelledByUserError(AudioaeError):
    """The request was cancelled."""


@dataclass
class _Request:
    message: bytes
    watch: Watch | None
    answer: asyncio.Future[tuple[dict[str, Any], bytes]]
    repeatable: bool
    tries: int = 0
    data: asyncio.Queue[tuple[Header, bytes]] = field(default_factory=asyncio.Queue)


class WorkerProcess:
    """A worker process; it is started by the first request, or by :meth:`start`.

    Args:
        folder: the studio's private folder, which the process removes when the server is gone.
        modules: modules that the process imports at its start.
        tries: number of processes that a request is given to, if they are killed.
    """

    def __init__(self, folder: Path, *modules: str, tries: int = 2) -> None:
        self._folder, self._modules, self._tries = folder, modules, tries
        self._numbers = itertools.count(1)
        self._requests: dict[int, _Request] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process number, while it runs."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process if it does not run."""
        async with self._starting:
            if self._process is not None or self._closed:
                return
            places = [str(Path(audioae.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
            environment = ENVIRONMENT | os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "audioae.studio.worker", str(self._folder), *self._modules),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
            self._listening = asyncio.create_task(self._listen(self._process))

    async def ask(
        self, what: str, args: dict[str, Any] | None = None, watch: Watch | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for its answer and bytes. Cancelling the waiting task cancels the request.

        Raises:
            AudioaeError: the worker's error, one line.
        """
        number, request = self._request(what, args, watch, True)
        try:
            await self._send(request)
            return await request.answer
        except asyncio.CancelledError:
            await self._write(pack({"id": number, "do": "cancel"}))
            raise
        finally:
            self._requests.pop(number, None)

    async def stream(
        self, args: dict[str, Any], chunks: AsyncIterator[bytes | dict[str, Any]]
    ) -> AsyncGenerator[tuple[Header, bytes], None]:
        """Clean chunks of PCM as they arrive. Dicts between them are arguments of :class:`audioae.Strength`, which they set.

        Yields:
            A header with ``facts`` of the stream and no bytes; then for each chunk a header, which has the probabilities
            of ``speech`` if the stream finds it, and cleaned PCM.

        Raises:
            AudioaeError: the worker's error, one line.
        """
        number, request = self._request("stream", args, None, False)
        feeding: asyncio.Task[None] | None = None
        free = asyncio.Semaphore(QUEUED)

        async def feed() -> None:
            try:
                async for chunk in chunks:
                    if isinstance(chunk, dict):
                        await self._write(pack({"id": number, "do": "strength", "args": chunk}))
                    else:
                        await free.acquire()
                        await self._write(pack({"id": number, "do": "feed"}, chunk))
            except AudioaeError as error:
                if not request.answer.done():
                    request.answer.set_exception(error)
                    request.data.put_nowait(({"event": "error"}, b""))
                return
            await self._write(pack({"id": number, "do": "end"}))

        try:
            await self._send(request)
            while True:
                header, payload = await request.data.get()
                if header["event"] != "data":
                    if feeding is not None:
                        feeding.cancel()
                    await request.answer  # raises the error, if there was one
                    return
                yield header, payload
                if feeding is None:
                    feeding = asyncio.create_task(feed())
                else:
                    free.release()
        finally:
            if feeding is not None:
                feeding.cancel()
            if number in self._requests:
                await self._write(pack({"id": number, "do": "cancel"}))
                self._requests.pop(number, None)
            request.answer.cancel()

    async def forget(self, folder: Path) -> None:
        """Close the files of a folder that is about to be removed."""
        await self._write(pack({"id": 0, "do": "forget", "args": {"folder": str(folder)}}))

    async def close(self) -> None:
        """End the process."""
        self._closed = True
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if self._listening is not None:
            # A process that it has started may hold its output open for a while.
            await asyncio.wait({self._listening}, timeout=1)
            self._listening.cancel()

    def _request(
        self, what: str, args: dict[str, Any] | None, watch: Watch | None, repeatable: bool
    ) -> tuple[int, _Request]:
        number = next(self._numbers)
        message = pack({"id": number, "do": what, "args": args or {}})
        request = _Request(message, watch, asyncio.get_running_loop().create_future(), repeatable)
        self._requests[number] = request
        return number, request

    async def _send(self, request: _Request) -> None:
        await self.start()
        request.tries += 1
        await self._write(request.message)

    async def _write(self, message: bytes) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            with suppress(ConnectionError, RuntimeError):
                process.stdin.write(message)
                await process.stdin.drain()

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None, "it is a pipe"
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                header, payload = await read_from(process.stdout)
                request = self._requests.get(header["id"])
                if request is not None:
                    self._take(request, header, payload)
        await process.wait()
        self._process = None
        await self._restart()

    def _take(self, request: _Request, header: Header, payload: bytes) -> None:
        event = header["event"]
        if event == "progress":
            if request.watch is not None:
                request.watch(header)
            return
        if not request.answer.done():
            if event == "done":
                request.answer.set_result((header["answer"], payload))
            elif event == "error":
                kind = CancelledByUserError if header["kind"] == "CancelledError" else InputError
                request.answer.set_exception(kind(header["error"]))
        if not request.repeatable:
            request.data.put_nowait((header, payload))

    async def _restart(self) -> None:
        """Give the requests of a process that has ended to the next one."""
        again = []
        for request in self._requests.values():
            if request.answer.done():
                continue
            if request.repeatable and request.tries < self._tries and not self._closed:
                again.append(request)
                continue
            why = "the studio ends" if self._closed else "its process was killed: is there memory enough?"
            request.answer.set_exception(InputError(why))
            request.data.put_nowait(({"event": "error"}, b""))
        for request in again:
            await self._send(request)
