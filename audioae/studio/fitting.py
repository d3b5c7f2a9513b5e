"""Worker side of an adaptation to the noise in a region of a recording."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audioae.audio.files import Reader
from audioae.audio.formats import AudioInfo
from audioae.audio.writer import Writer
from audioae.studio.messages import CancelledError, Notify
from audioae.train.adapt import adapt

MEASURED = 0.9
"""Progress when the training is over and the result is measured."""


class Watcher:
    """Reports the progress of a training to the page, and ends a cancelled one.

    Args:
        notify: called with the progress ``done``, 0 to 1, and ``text``.
        cancelled: set when the training is cancelled.
    """

    def __init__(self, notify: Notify, cancelled: threading.Event) -> None:
        self._notify, self._cancelled = notify, cancelled

    def started(self, recipe: Any, parameters: int, sources: Any, noisy: dict[str, float]) -> None:
        """The training starts."""
        self._notify(done=0.02, text="training")

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        """A step is done."""
        self._check()
        self._notify(done=0.02 + (MEASURED - 0.02) * min(1.0, share), text=f"training, step {step}")

    def skipped(self, reasons: Sequence[str]) -> None:
        """Files were skipped; not reported, since they are the package's own."""

    def measuring(self, step: int, done: int, of: int) -> None:
        """A validation continues."""
        self._check()
        self._notify(done=MEASURED, text="measuring")

    def validated(self, step: int, figures: dict[str, float], best: bool) -> None:
        """A validation is done; not reported."""

    def alarmed(self, step: int, why: str) -> None:
        """A warning; the result of the adaptation shows whether it mattered."""

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise CancelledError


def fit(args: dict[str, Any], cancelled: threading.Event, notify: Notify) -> dict[str, Any]:
    """Adapt a model to a noise. Returns SI-SDR before and after, on that noise and on others, and whether it was written.

    Args:
        args: ``source``, ``start`` and ``frames`` of the noise; ``model``; ``target``, the file to write; ``seconds``.
        cancelled: set when it is cancelled.
        notify: takes the progress.

    Raises:
        AudioaeError: too little noise, or a model that cannot be trained.
    """
    target = Path(args["target"])
    noise = target.with_name(f"{target.stem}-noise.wav")
    try:
        with Reader(Path(args["source"])) as reader:
            reader.seek(args["start"])
            info = AudioInfo(reader.info.rate, reader.info.channels, args["frames"], "WAV", "FLOAT")
            with Writer(noise, info, overwrite=True) as writer:
                left = args["frames"]
                while left > 0 and len(block := reader.read(min(left, 2**16))):
                    writer.write(block)
                    left -= len(block)
        notify(done=0.0, text="measuring")
        watcher = Watcher(notify, cancelled)
        result = adapt(args["model"], [str(noise)], target, budget=args["seconds"], watcher=watcher)
    finally:
        noise.unlink(missing_ok=True)
    figures = {
        name: {"before": each.before["si_sdr"], "after": each.after["si_sdr"], "noisy": each.noisy["si_sdr"]}
        for name, each in (("own", result.own), ("general", result.general))
    }
    return {"made": result.model_file is not None, "share": result.share, "steps": result.steps, **figures}
