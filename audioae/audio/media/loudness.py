"""Loudness by ITU-R BS.1770-4 and EBU R128, and true peaks: FFmpeg's filter ``ebur128``, block by block."""

from fractions import Fraction
from math import isfinite, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audioae.audio.media.library import pyav

SILENCE = -70.0
"""Loudness in LUFS below which the gate ignores a block as silence."""
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Loudspeaker layout by number of channels, in the order of WAV files."""


class LoudnessMeter:
    """Integrated loudness and true peak of a recording, in constant memory.

    Args:
        rate: Hz.
        channels: C; a mono channel counts once, as in BS.1770.

    Raises:
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._av = pyav("--loudness", "loudness is measured")
        self.rate = rate
        self.layout = LAYOUTS.get(channels, f"{channels}c")
        graph = self._graph = self._av.filter.Graph()
        self._source = graph.add(
            "abuffer", sample_rate=str(rate), sample_fmt="flt", channel_layout=self.layout, time_base=f"1/{rate}"
        )
        meter = graph.add("ebur128", "metadata=1:peak=true:framelog=quiet")
        self._sink = graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        graph.configure()
        self._samples, self._peak = 0, 0.0
        self._found: dict[str, str] = {}

    def feed(self, block: NDArray[np.float32]) -> None:
        """The next ``(N, C)``."""
        for start in range(0, len(block), self.rate):
            part = np.ascontiguousarray(block[start : start + self.rate], np.float32)
            frame = self._av.AudioFrame.from_ndarray(part.reshape(1, -1), "flt", self.layout)
            frame.sample_rate, frame.time_base, frame.pts = self.rate, Fraction(1, self.rate), self._samples
            self._samples += len(part)
            # The filter reports once for every tenth of a second that is complete.
            self._peak = max(self._peak, float(np.abs(part).max(initial=0)))
            self._source.push(frame)
            self._pull()

    def _pull(self) -> None:
        while True:
            try:
                frame: Any = self._sink.pull()
            except (self._av.BlockingIOError, self._av.EOFError):
                return
            self._found = frame.metadata or self._found

    @property
    def loudness(self) -> float | None:
        """Integrated loudness in LUFS; None for silence and for less than 0.4 s."""
        value = float(self._found.get("lavfi.r128.I", "nan"))
        return value if isfinite(value) and value > SILENCE else None

    @property
    def true_peak(self) -> float:
        """Largest true peak in dBTP, -150 for silence."""
        peak = max(float(self._found.get("lavfi.r128.true_peak", "0")), self._peak)
        return 20 * log10(max(peak, 10**-7.5))
