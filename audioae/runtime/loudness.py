"""Writes results with a target loudness, in two passes, the first of which measures.

The cleaned samples go to a temporary file beside the result. At the end, they are written with the gain that reaches
the loudness, through a limiter for true peaks. The loss by the limiter is measured and compensated by more gain.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audioae.audio.media.loudness import SILENCE, LoudnessMeter
from audioae.audio.media.writer import MediaWriter
from audioae.audio.spool import spooled_blocks
from audioae.audio.writer import Writer
from audioae.errors import InputError
from audioae.signal.limiter import limited
from audioae.system.atomic import Temporary

Wave = NDArray[np.float32]
PEAK = -1.0
"""Highest true peak of a result in dBTP, as EBU R128 requires."""
LOSSY_PEAK = -2.0
"""Highest true peak before a lossy codec, which raises peaks by up to a decibel."""
LOWEST, HIGHEST = -70.0, -5.0
"""Smallest and largest target in LUFS."""
PASSES = 4
"""Largest number of passes that measure with the limiter."""
FLATTEST = 0.1
"""Smallest assumed change of the limited loudness per dB of gain."""
MISSED = 0.5
"""Difference from the target in LU that is reported."""
NEAR = 0.05
"""Tolerated difference from the target in LU."""


def check_target(loudness: float | None) -> None:
    """Check a target loudness.

    Raises:
        InputError: it is not within -70 to -5 LUFS.
    """
    if loudness is not None and not LOWEST <= loudness <= HIGHEST:
        raise InputError(f"loudness {loudness} LUFS: give a number from {LOWEST:.0f} to {HIGHEST:.0f}, such as -16 or -23")


class Levelled:
    """Collects the samples of a result, and writes them with the target loudness at the end.

    Args:
        result: the opened result.
        path: its path.
        rate: Hz.
        channels: C.
        target: LUFS.
        lossy: the result has a lossy codec.

    Attributes:
        before: LUFS of the samples before the gain; None for silence.
        reached: LUFS of the result; None for silence.
        true_peak: of the result in dBTP.

    Raises:
        InputError: no possible loudness.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(
        self, result: Writer | MediaWriter, path: Path, rate: int, channels: int, target: float, lossy: bool = False
    ) -> None:
        check_target(target)
        self.peak = LOSSY_PEAK if lossy else PEAK
        self.result, self.rate, self.channels, self.target = result, rate, channels, target
        self.before: float | None = None
        self.reached: float | None = None
        self.true_peak = 0.0
        self._meter = LoudnessMeter(rate, channels)
        self._spool = Temporary(path, overwrite=True)

    @property
    def clipped(self) -> int:
        """Samples that lay beyond full scale and were limited to it."""
        return self.result.clipped

    @property
    def notes(self) -> list[str]:
        """Notes for the user."""
        notes = list(self.result.notes)
        if self.before is None:
            notes.append(f"is quieter than {SILENCE:.0f} LUFS or shorter than 0.4 s: its loudness is unchanged")
        elif self.reached is not None and abs(self.reached - self.target) > MISSED:
            notes.append(f"reaches {self.reached:.1f} LUFS instead of {self.target:.1f}: its peaks allow no more")
        return notes

    def stored(self, block: Wave) -> Wave:
        """The block unchanged, because the removed part is written before the gain."""
        return block

    def write(self, block: Wave) -> None:
        """Append ``(frames, C)``."""
        self._meter.feed(block)
        self._spool.write(np.ascontiguousarray(block, np.float32).tobytes())

    def finish(self) -> None:
        """Measure, level, write and complete the result.

        Raises:
            OutputError: the disk is full.
        """

        def blocks() -> Iterator[Wave]:
            return spooled_blocks(self._spool.path, self.channels)

        self.before = self._meter.loudness
        gain = gain_for(blocks, self._meter, self.rate, self.channels, self.target, self.peak)
        meter = LoudnessMeter(self.rate, self.channels)
        for block in levelled(blocks(), gain, self.rate, self.channels, self.peak):
            meter.feed(block)
            self.result.write(block)
        self.reached, self.true_peak = meter.loudness, meter.true_peak
        self.result.finish()

    def verify(self) -> None:
        """Read the result back; see :meth:`~audioae.audio.writer.Writer.verify`."""
        self.result.verify()

    def __enter__(self) -> Self:
        self.result.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.result.__exit__(kind, error, trace)
        finally:
            self._spool.discard()


def levelled(blocks: Iterator[Wave], gain: float, rate: int, channels: int, peak: float = PEAK) -> Iterator[Wave]:
    """Blocks with a gain in dB, limited to a true peak in dBTP; samples without either are unchanged."""
    factor = np.float32(10 ** (gain / 20))
    return limited((block * factor for block in blocks), rate, channels, peak)


def gain_for(blocks: Any, meter: LoudnessMeter, rate: int, channels: int, target: float, peak: float = PEAK) -> float:
    """The gain in dB with which blocks reach a loudness, the limiter's loss included.

    Args:
        blocks: function that returns the blocks from the start.
        meter: loudness meter that has measured them.
        rate: Hz.
        channels: C.
        target: LUFS.
        peak: highest true peak in dBTP.
    """
    if meter.loudness is None:
        return 0.0
    gain, slope = target - meter.loudness, 1.0
    earlier: tuple[float, float] | None = None
    for _ in range(PASSES if meter.true_peak + gain > peak - 0.5 else 0):
        after = LoudnessMeter(rate, channels)
        for block in levelled(blocks(), gain, rate, channels, peak):
            after.feed(block)
        if after.loudness is None or abs(target - after.loudness) <= NEAR:
            break
        if earlier is not None and gain > earlier[0]:  # the more is limited, the less each dB of gain adds
            slope = min(1.0, max(FLATTEST, (after.loudness - earlier[1]) / (gain - earlier[0])))
        earlier = gain, after.loudness
        gain += (target - after.loudness) / slope
    return gain


def level(wave: Wave, rate: int, target: float) -> Wave:
    """A recording ``(N, C)`` in memory with another loudness, limited to -1 dBTP; silence is unchanged.

    Raises:
        InputError: no possible loudness.
        MissingExtraError: PyAV is not installed.
    """
    check_target(target)
    meter = LoudnessMeter(rate, wave.shape[1])
    meter.feed(wave)
    gain = gain_for(lambda: iter([wave]), meter, rate, wave.shape[1], target)
    return np.concatenate(list(levelled(iter([wave]), gain, rate, wave.shape[1])))
