"""Worker side of cleaning files: several at a time, which take turns."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import torch

from audioae.audio.speech_files import speech_text
from audioae.runtime.files import clean_job
from audioae.runtime.jobs import DenoiseOptions, Job
from audioae.signal.speech import Segment
from audioae.studio.loaded import denoiser, restorer
from audioae.studio.messages import CancelledError, Notify
from audioae.studio.turns import Turns

NOTIFY_SECONDS = 0.1
"""Shortest time between two reports of progress."""
PARTS = torch.get_num_threads()
"""Segments of a long recording that are cleaned in parallel, as on the command line."""
OPEN = Turns(10)
"""Limits the recordings in progress; others wait, so that memory does not grow with their number."""
TURNS = Turns(max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


def clean(args: dict[str, Any], cancelled: threading.Event, notify: Notify) -> dict[str, Any]:
    """Clean a file as ``audioae denoise`` does, or repair it as ``audioae restore`` does, and return the report.

    Args:
        args: ``source``, ``target`` and the fields of :class:`~audioae.studio.store.Settings`; for segments of speech
            ``speech``, the path of their file, and ``name``, that of the recording in it.
        cancelled: set to cancel.
        notify: called with ``done``, 0 to 1.

    Raises:
        CancelledError: the request was cancelled.
        AudioaeError: see :func:`~audioae.runtime.files.denoise_file`.
    """
    torch.set_num_threads(1)
    options = DenoiseOptions(
        atten_limit=args["atten_limit"],
        mix=args["mix"],
        channels=args["channels"],
        salvage=args["salvage"],
        bitrate=1000 * (args["bitrate"] or 0),
        codec=args["codec"],
        track=args["track"],
        loudness=args["loudness"],
        repairs=tuple(args["repairs"]),
        denoise=args["denoise"],
        workers=PARTS,
        overwrite=True,  # an earlier process may have been killed
    )
    notified = 0.0

    def progress(done: int, frames: int, rate: int) -> None:
        nonlocal notified
        if cancelled.is_set():
            raise CancelledError
        if time.monotonic() - notified >= NOTIFY_SECONDS:
            notified = time.monotonic()
            notify(done=done / max(frames, 1))
        TURNS.pass_on()

    with OPEN.taken(), TURNS.taken():
        if cancelled.is_set():
            raise CancelledError
        notify(done=0.0)
        speech = Path(args["speech"]).with_suffix(".json") if "speech" in args else None
        job = Job(Path(args["source"]), Path(args["target"]), speech=speech)
        model = restorer(args["model"]) if options.repairs else denoiser(args["model"])
        report = clean_job(model, job, options, progress)
    if speech is not None:
        _rename(speech, Path(args["speech"]), args["name"])
    return report.as_dict()


def _rename(segments: Path, target: Path, name: str) -> None:
    """Write segments of speech from JSON to a file of any format, with the name that the client has given."""
    found = json.loads(segments.read_text(encoding="utf-8"))
    text = speech_text([Segment(**each) for each in found["segments"]], target, Path(name), found["seconds"])
    target.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
