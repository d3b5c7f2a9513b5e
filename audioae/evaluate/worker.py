"""Functions in the process of one entrant, which measures its own peak memory.

This module imports little, because its imports count for every entrant.
"""

import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audioae.audio.files import read
from audioae.system.printable import warning_line

Wave = NDArray[np.float32]
Enhance = Callable[[Wave, int], Wave]
"""From a wave ``(N, C)`` and its rate in Hz to the cleaned wave."""

WARM_UP_SECONDS = 1.0
_enhance: list[Enhance] = []


def prepare(make: Callable[[], Enhance]) -> None:
    """Load the program, once for the process."""
    # Ctrl-C reaches all processes of the group; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.formatwarning = warning_line
    _enhance[:] = [make()]


def run(path: Path) -> tuple[Wave, float]:
    """The processed recording ``(N, C)``, and the computing time in seconds without reading the file."""
    noisy, rate = read(path)
    start = time.perf_counter()
    result = _enhance[0](noisy, rate)
    return result, time.perf_counter() - start


def warm_up(path: Path) -> None:
    """Process the start of a recording, because the first call of a library may be slower."""
    with warnings.catch_warnings(action="ignore"):  # they come again when all of it is processed
        _, rate = read(path, 0, 1)
        _enhance[0](read(path, 0, int(WARM_UP_SECONDS * rate))[0], rate)


def peak_bytes() -> int:
    """Peak memory of this process; 0 if unknown."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not getrusage, whose value is inherited from the parent.
        line = next((text for text in status.read_text().splitlines() if text.startswith("VmHWM:")), "VmHWM: 0 kB")
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
