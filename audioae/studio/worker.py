"""A worker process of the studio: it reads requests from standard input and answers on standard output.

A request has an ``id``, the name of an operation in ``do``, and ``args``. It is answered by messages with the same ``id``:
any number with the ``event`` ``progress`` or ``data``, then one with ``done`` or ``error``. The process ends with its input.

A module is imported when the first request needs it, so that a process that only reads recordings never loads torch.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO

from audioae.errors import AudioaeError
from audioae.runtime.attempt import fault
from audioae.studio.messages import CancelledError, Header, Notify, pack, read
from audioae.system.printable import warning_line

SHORT_THREADS = 4
"""Short requests that are answered in parallel."""
END_SECONDS = 10.0
"""Longest wait for jobs that were cancelled."""
Answer = dict[str, Any] | tuple[dict[str, Any], bytes]
SHORT = {
    **dict.fromkeys(("probe", "copy", "samples", "view"), "views"),
    **dict.fromkeys(("draw", "change", "sample", "codes"), "creating"),
    "models": "models",
}
"""Short requests, and the module with the function of this name; its arguments are ``args`` and an event that cancels."""
LONG = {"clean": "cleaning", "fit": "fitting"}
"""Long jobs, each with a thread of its own, that report their progress."""
CONTROLS = ("cancel", "feed", "strength", "end", "forget")
"""Messages about other requests; they are not answered."""


class Handler:
    """Answers requests.

    Args:
        output: file that answers are written to.
    """

    def __init__(self, output: BinaryIO) -> None:
        self._output, self._writing = output, threading.Lock()
        self._running: dict[int, threading.Event] = {}
        self._streams: dict[int, Any] = {}
        self._short = ThreadPoolExecutor(SHORT_THREADS)
        self._threads: list[threading.Thread] = []

    def handle(self, header: Header, payload: bytes) -> None:
        """Take a request; other threads do the work."""
        number, what, args = header["id"], header["do"], header.get("args", {})
        if what in CONTROLS:
            self._control(number, what, args, payload)
            return
        cancelled = self._running[number] = threading.Event()
        if what in SHORT:
            self._short.submit(self._answer, number, lambda: getattr(_module(SHORT[what]), what)(args, cancelled))
        elif what in LONG:
            self._in_thread(number, lambda: getattr(_module(LONG[what]), what)(args, cancelled, self._notifier(number)))
        elif what == "stream":
            self._in_thread(number, lambda: self._stream(number, args, cancelled))
        else:
            self._send({"id": number, "event": "error", "error": f"no such request: {what}", "kind": "InputError"})

    def _control(self, number: int, what: str, args: dict[str, Any], payload: bytes) -> None:
        """Take one of ``CONTROLS``."""
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
        thread = threading.Thread(target=self._answer, args=(number, work), daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _stream(self, number: int, args: dict[str, Any], cancelled: threading.Event) -> Answer:
        stream = self._streams[number] = _module("streams").PcmStream(args)
        try:
            self._send({"id": number, "event": "data", "facts": stream.facts})
            answer: Answer = stream.run(
                cancelled, lambda data, **what: self._send({"id": number, "event": "data", **what}, data)
            )
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

    def _notifier(self, number: int) -> Notify:
        return lambda **what: self._send({"id": number, "event": "progress", **what})

    def _send(self, header: Header, payload: bytes = b"") -> None:
        with self._writing, suppress(OSError):  # the server may be gone
            self._output.write(pack(header, payload))
            self._output.flush()

    def close(self) -> None:
        """Cancel all requests, and wait until their threads have noticed: a model's step or a block of samples later."""
        for cancelled in list(self._running.values()):
            cancelled.set()
        for stream in list(self._streams.values()):
            stream.feed(None)
        self._short.shutdown(cancel_futures=True)
        end = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        with suppress(OSError):
            self._output.close()


def _module(name: str) -> Any:
    return import_module(f"audioae.studio.{name}")


def main() -> None:
    """Answer requests until standard input ends, then remove the private folder.

    The first command-line argument is that folder. The others are modules that the expected requests need.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server, which ends its workers
    warnings.formatwarning = warning_line
    tempfile.tempdir = sys.argv[1]  # temporary files of a killed training are removed with the folder
    # Answers have a file of their own, because libraries print to standard output and forked processes close standard input.
    requests, output = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for name in sys.argv[2:]:
        _module(name)
    handler = Handler(output)
    while (message := read(requests)) is not None:
        handler.handle(*message)
    handler.close()
    shutil.rmtree(sys.argv[1], ignore_errors=True)  # a server that was killed has not removed it


if __name__ == "__main__":
    main()
