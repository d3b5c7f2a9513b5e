"""In the worker: cleaning files, and streams of PCM while they come."""

import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import torch

from audioae.studio.engine import (
    ENCODINGS,
    DenoiseOptions,
    InputError,
    ModelChoice,
    Pcm,
    Streamer,
    StreamingModel,
    denoise_file,
)
from audioae.studio.turns import Turns

Tell = Callable[..., None]
TELL_SECONDS = 0.1
"""Progress is told at most this often."""
PARTS = torch.get_num_threads()
"""Parts of a long recording that are cleaned side by side: as many as the command line takes."""
OPEN = Turns(10)
"""Recordings that are under way at a time; the others wait, so that memory does not grow with their number."""
TURNS = Turns(max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


class CancelledError(Exception):
    """Nobody wants the result any more."""


_loading = threading.Lock()


@lru_cache(maxsize=6)
def _loaded(model: str) -> StreamingModel:
    return ModelChoice(model, "cpu", "torch").load()


def denoiser(model: str) -> StreamingModel:
    """A denoiser, kept for the next job; its state is each stream's own."""
    with _loading:
        return _loaded(model)


def clean(args: dict[str, Any], cancelled: threading.Event, tell: Tell) -> dict[str, Any]:
    """Clean a file as ``audioae denoise`` does; the report.

    Raises:
        CancelledError: on the way.
        AudioaeError: see :func:`~audioae.runtime.files.denoise_file`.
    """
    torch.set_num_threads(1)
    options = DenoiseOptions(
        atten_limit=args["atten_limit"],
        mix=args["mix"],
        channels=args["channels"],
        salvage=args.get("salvage", False),
        bitrate=1000 * (args.get("bitrate") or 0),
        workers=PARTS,
        overwrite=True,  # a try before this one may have been killed
    )
    told = 0.0

    def progress(done: int, frames: int, rate: int) -> None:
        nonlocal told
        if cancelled.is_set():
            raise CancelledError
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            tell(done=done / max(frames, 1))
        TURNS.pass_on()

    with OPEN.taken(), TURNS.taken():
        if cancelled.is_set():
            raise CancelledError
        tell(done=0.0)
        report = denoise_file(
            denoiser(args["model"]), Path(args["source"]), Path(args["target"]), options, progress=progress
        )
    return report.as_dict()


class PcmStream:
    """One stream of PCM that is cleaned while it comes, by a thread of its own.

    Args:
        args: ``rate``, ``count``, ``encoding``, ``model``, ``atten_limit``, ``mix`` and ``channels``, as ``audioae stream``.

    Raises:
        AudioaeError: settings that cannot be used.
    """

    def __init__(self, args: dict[str, Any]) -> None:
        if args["encoding"] not in ENCODINGS:
            raise InputError(f"encoding {args['encoding']!r}: use one of {', '.join(ENCODINGS)}")
        if not 1 <= args["count"] <= 64:
            raise InputError(f"{args['count']} channels: give 1 to 64")
        self.pcm = Pcm(args["rate"], args["count"], args["encoding"])
        self.streamer = Streamer(denoiser(args["model"]), args["rate"], args["atten_limit"], args["mix"], args["channels"])
        self.queue: Queue[bytes | None] = Queue()

    def feed(self, data: bytes | None) -> None:
        """Take samples as bytes, of any number; None ends the stream."""
        self.queue.put(data)

    def run(self, cancelled: threading.Event, tell: Tell) -> dict[str, Any]:
        """Clean until the end. Every chunk that was fed is answered by one with what is ready, empty where nothing is."""
        torch.set_num_threads(1)
        rest = b""
        while (data := self.queue.get()) is not None:
            if cancelled.is_set():
                raise CancelledError
            rest += data
            whole = len(rest) // self.pcm.frame * self.pcm.frame
            ready = np.asarray(self.streamer.feed(self.pcm.decode(rest[:whole])), np.float32)
            rest = rest[whole:]
            tell(self.pcm.encode(ready.reshape(-1, self.pcm.channels)))
        if cancelled.is_set():
            raise CancelledError
        ready = np.asarray(self.streamer.flush(), np.float32)
        tell(self.pcm.encode(ready.reshape(-1, self.pcm.channels)))
        return {}
