"""In a worker of its own: fitting a model to the noise in a region of a recording."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audioae.audio.files import Reader
from audioae.audio.formats import AudioInfo
from audioae.audio.writer import Writer
from audioae.studio.frames import CancelledError, Tell
from audioae.train.adapt import adapt

MEASURED = 0.9
"""Share of the progress that is reached when the training is over and its result has to be measured."""


class Watcher:
    """Tells the page how a training gets on, and ends it where nobody waits for it.

    Args:
        tell: takes ``done``, a share, and ``text``.
        cancelled: set where the training is given up.
    """

    def __init__(self, tell: Tell, cancelled: threading.Event) -> None:
        self._tell, self._cancelled = tell, cancelled

    def started(self, recipe: Any, parameters: int, sources: Any, noisy: dict[str, float]) -> None:
        """All is ready."""
        self._tell(done=0.02, text="learning")

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        """A step was taken."""
        if self._cancelled.is_set():
            raise CancelledError
        self._tell(done=0.02 + (MEASURED - 0.02) * min(1.0, share), text=f"learning, step {step}")

    def skipped(self, reasons: Sequence[str]) -> None:
        """Nothing is told of files of the package."""

    def measuring(self, step: int, done: int, of: int) -> None:
        """A validation goes on."""
        self._tell(done=MEASURED, text="measuring")

    def validated(self, step: int, figures: dict[str, float], best: bool) -> None:
        """The weights were measured."""

    def alarmed(self, step: int, why: str) -> None:
        """The end of the training tells."""


def fit(args: dict[str, Any], cancelled: threading.Event, tell: Tell) -> dict[str, Any]:
    """Fit a model to a noise; its SI-SDR before and after, on that noise and on others, and whether there is a result.

    Args:
        args: ``source``, ``start`` and ``frames``, where the noise is; ``model``; ``target``, the file to be; ``seconds``.
        cancelled: set where it is given up.
        tell: takes the progress.

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
        tell(done=0.0, text="measuring")
        watcher = Watcher(tell, cancelled)
        result = adapt(args["model"], [str(noise)], target, budget=args["seconds"], watcher=watcher)
    finally:
        noise.unlink(missing_ok=True)
    figures = {
        name: {"before": each.before["si_sdr"], "after": each.after["si_sdr"], "noisy": each.noisy["si_sdr"]}
        for name, each in (("own", result.own), ("general", result.general))
    }
    return {"made": result.model_file is not None, "share": result.share, "steps": result.steps, **figures}
