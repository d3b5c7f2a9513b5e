"""The process of one entrant, which measures its own peak memory.

It imports little: what is imported here counts for every entrant.
"""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audioae.audio.files import read

Wave = NDArray[np.float32]
Enhance = Callable[[Wave, int], Wave]
"""``(N, C)`` and its rate in Hz, to as much without noise."""

WARM_UP_SECONDS = 1.0
_enhance: list[Enhance] = []


def prepare(make: Callable[[], Enhance]) -> None:
    """Load the program, once for the process."""
    # Ctrl-C reaches the whole group; the parent ends this process when it has cleaned up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _enhance[:] = [make()]


def run(path: Path) -> tuple[Wave, float]:
    """The recording as the program leaves it, ``(N, C)``, and the seconds that took without reading it."""
    noisy, rate = read(path)
    start = time.perf_counter()
    result = _enhance[0](noisy, rate)
    return result, time.perf_counter() - start


def warm_up(path: Path) -> None:
    """The start of a recording, for what a library does at its first call only."""
    _, rate = read(path, 0, 1)
    _enhance[0](read(path, 0, int(WARM_UP_SECONDS * rate))[0], rate)


def peak_bytes() -> int:
    """The most memory that this process has held so far; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage: a new process inherits its figure from the parent there.
        line = next((text for text in status.read_text().splitlines() if text.startswith("VmHWM:")), "VmHWM: 0 kB")
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
