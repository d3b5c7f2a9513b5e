"""In a worker: cleaning files, in turn."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import torch

from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions
from audioae.studio.frames import CancelledError, Tell
from audioae.studio.loaded import denoiser
from audioae.studio.turns import Turns

TELL_SECONDS = 0.1
"""Progress is told at most this often."""
PARTS = torch.get_num_threads()
"""Parts of a long recording that are cleaned side by side: as many as the command line takes."""
OPEN = Turns(10)
"""Recordings that are under way at a time; the others wait, so that memory does not grow with their number."""
TURNS = Turns(max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


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
        salvage=args["salvage"],
        bitrate=1000 * (args["bitrate"] or 0),
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
