"""Runs another program and measures its time and memory: ``python launch.py REPORT PROGRAM [ARGUMENT...]``.

This is a small program of its own, because the peak memory of child processes includes the memory of the parent at the time
of the fork, which is large if torch is loaded. REPORT is written as JSON with ``code`` (exit status, or a message if the
program did not start), ``seconds`` of wall time and ``peak_bytes`` (0 if unknown).
"""

import json
import subprocess
import sys
import time
from pathlib import Path


def main(report: str, *command: str) -> None:
    """Run ``command`` and write the report."""
    start = time.perf_counter()
    try:
        code: int | str = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        code = error.strerror or str(error)
    seconds = time.perf_counter() - start
    Path(report).write_text(json.dumps({"code": code, "seconds": seconds, "peak_bytes": _peak_of_children()}))


def _peak_of_children() -> int:
    try:
        import resource
    except ImportError:  # not available on Windows
        return 0
    # macOS reports bytes, other systems KiB.
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
