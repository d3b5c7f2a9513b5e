"""Worker side of streams of PCM."""

import threading
from queue import Queue
from typing import Any

import numpy as np
import torch

from audioae.errors import InputError
from audioae.nn.strength import Strength
from audioae.runtime.pcm import ENCODINGS, Pcm
from audioae.runtime.streamer import Streamer
from audioae.studio.loaded import denoiser
from audioae.studio.messages import CancelledError, Notify


class PcmStream:
    """A stream of PCM, cleaned by a thread of its own.

    Args:
        args: ``rate``, ``count``, ``encoding``, ``model``, ``atten_limit``, ``mix`` and ``channels``, as ``audioae stream``,
            and ``speech``, whether speech is found too.

    Raises:
        AudioaeError: invalid settings.
    """

    def __init__(self, args: dict[str, Any]) -> None:
        if args["encoding"] not in ENCODINGS:
            raise InputError(f"encoding {args['encoding']!r}: use one of {', '.join(ENCODINGS)}")
        if not 1 <= args["count"] <= 64:
            raise InputError(f"{args['count']} channels: give 1 to 64")
        self.pcm = Pcm(args["rate"], args["count"], args["encoding"])
        self._finds_speech = bool(args.get("speech"))
        self.streamer = Streamer(
            denoiser(args["model"]), args["rate"], args["atten_limit"], args["mix"], args["channels"], self._finds_speech
        )
        self.queue: Queue[bytes | Strength | None] = Queue()
        self._latest: Strength | None = None

    @property
    def facts(self) -> dict[str, int]:
        """Latency and, if speech is found, the length of its frames, in samples."""
        facts = {"latency_samples": self.streamer.latency_samples}
        return facts | ({"speech_frame": self.streamer.speech_frame} if self._finds_speech else {})

    def feed(self, data: bytes | None) -> None:
        """Add PCM, of any number of bytes; None ends the stream."""
        if self._latest is not None:
            self.queue.put(self._latest)
            self._latest = None
        self.queue.put(data)

    def set_strength(self, atten_limit: float | None, mix: float) -> None:
        """Change the strength, from the next sample on that is fed. Only the latest one is kept until then."""
        self._latest = Strength(atten_limit, mix)

    def run(self, cancelled: threading.Event, notify: Notify) -> dict[str, Any]:
        """Clean until the end. Each chunk is answered by the samples that are ready, which may be none, and with ``speech``
        by the probabilities of the frames that they complete."""
        torch.set_num_threads(1)
        rest = b""
        while (data := self.queue.get()) is not None:
            if cancelled.is_set():
                raise CancelledError
            if isinstance(data, Strength):
                self.streamer.strength = data
                continue
            rest += data
            whole = len(rest) // self.pcm.frame * self.pcm.frame
            ready = self.streamer.feed(self.pcm.decode(rest[:whole]))
            rest = rest[whole:]
            self._answer(ready, notify)
        if cancelled.is_set():
            raise CancelledError
        self._answer(self.streamer.flush(), notify)
        return {}

    def _answer(self, ready: Any, notify: Notify) -> None:
        what = {"speech": [round(float(each), 4) for each in self.streamer.speech]} if self._finds_speech else {}
        notify(self.pcm.encode(np.asarray(ready, np.float32).reshape(-1, self.pcm.channels)), **what)
