"""A worker process of the studio: it reads requests from standard input and answers on standard output.

A request has an ``id``, what to ``do`` and ``args``. It is answered by messages with the same ``id``: any number with the
``event`` ``progress`` or ``data``, then one with ``done`` or ``error``. The process ends with its standard input.

A module is imported when the first request needs it, so that a process that only reads recordings never loads torch.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, BinaryIO

from audioae.errors import AudioaeError
from audioae.runtime.attempt import fault
from audioae.studio.frames import CancelledError, Header, Tell, pack, read

ASKERS = 4
"""Short requests that are answered at a time."""
Answer = dict[str, Any] | tuple[dict[str, Any], bytes]
SHORT = {
    **dict.fromkeys(("probe", "copy", "samples", "view"), "views"),
    **dict.fromkeys(("draw", "change", "sample", "codes"), "creating"),
    "models": "models",
}
"""Short requests by the module that has a function of this name; it takes the arguments and an event that cancels it."""
LONG = {"clean": "cleaning", "fit": "fitting"}
"""Jobs that have a thread of their own and report their progress."""
CONTROLS = ("cancel", "feed", "strength", "end", "forget")
"""Messages about requests that are being answered."""


class Worker:
    """Answers requests.

    Args:
        output: where answers go.
    """

    def __init__(self, output: BinaryIO) -> None:
        self._output, self._writing = output, threading.Lock()
        self._running: dict[int, threading.Event] = {}
        self._streams: dict[int, Any] = {}
        self._short = ThreadPoolExecutor(ASKERS)

    def handle(self, header: Header, payload: bytes) -> None:
        """Take a request; what it asks for is done in another thread."""
        number, what, args = header["id"], header["do"], header.get("args", {})
        if what in CONTROLS:
            self._control(number, what, args, payload)
            return
        cancelled = self._running[number] = threading.Event()
        if what in SHORT:
            self._short.submit(self._answer, number, lambda: getattr(_module(SHORT[what]), what)(args, cancelled))
        elif what in LONG:
            self._in_thread(number, lambda: getattr(_module(LONG[what]), what)(args, cancelled, self._teller(number)))
        elif what == "stream":
            self._in_thread(number, lambda: self._stream(number, args, cancelled))
        else:
            self._send({"id": number, "event": "error", "error": f"no such request: {what}", "kind": "InputError"})

    def _control(self, number: int, what: str, args: dict[str, Any], payload: bytes) -> None:
        """A message about a request that is being answered; it has no answer of its own."""
        stream = self._streams.get(number)
        if what == "forget":
            _module("views").SOUNDS.forget(args["folder"])
        if what == "cancel" and number in self._running:
            self._running[number].set()
        if stream is None:
            return
        if what == "feed":
            stream.feed(payload)
        elif what == "strength":
            stream.set_strength(**args)
        else:
            stream.feed(None)

    def _in_thread(self, number: int, work: Callable[[], Answer]) -> None:
        threading.Thread(target=self._answer, args=(number, work), daemon=True).start()

    def _stream(self, number: int, args: dict[str, Any], cancelled: threading.Event) -> Answer:
        stream = self._streams[number] = _module("streams").PcmStream(args)
        try:
            self._send({"id": number, "event": "data", "latency": stream.streamer.latency_samples})
            answer: Answer = stream.run(cancelled, lambda data: self._send({"id": number, "event": "data"}, data))
            return answer
        finally:
            del self._streams[number]

    def _answer(self, number: int, work: Callable[[], Answer]) -> None:
        try:
            made = work()
            answer, payload = made if isinstance(made, tuple) else (made, b"")
            self._send({"id": number, "event": "done", "answer": answer}, payload)
        except CancelledError:
            self._send({"id": number, "event": "error", "error": "cancelled", "kind": "CancelledError"})
        except Exception as error:
            known = error if isinstance(error, AudioaeError) else fault(error, "studio")
            self._send({"id": number, "event": "error", "error": str(known), "kind": type(known).__name__})
        finally:
            self._running.pop(number, None)

    def _teller(self, number: int) -> Tell:
        return lambda **what: self._send({"id": number, "event": "progress", **what})

    def _send(self, header: Header, payload: bytes = b"") -> None:
        with self._writing:
            self._output.write(pack(header, payload))
            self._output.flush()


def _module(name: str) -> Any:
    return import_module(f"audioae.studio.{name}")


def main() -> None:
    """Answer requests until nobody sends any more; then remove the folder that the first argument names. The other arguments
    name modules to import at the start, for the requests that will come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server, which ends its workers
    tempfile.tempdir = sys.argv[1]  # what a killed training has left is removed with the folder
    # What a library prints is no answer, and a process that a training forks closes its standard input.
    requests, output = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for name in sys.argv[2:]:
        _module(name)
    worker = Worker(output)
    while (message := read(requests)) is not None:
        worker.handle(*message)
    # Also where the server was killed and could not tidy up itself.
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
