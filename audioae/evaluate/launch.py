"""Runs another program and notes what it cost: ``python launch.py REPORT PROGRAM [ARGUMENT...]``.

A program of its own, and a small one: what a process counts as its children's peak memory includes what it held itself when
it started them, which for a process that has loaded torch is more than many programs need. REPORT is written as JSON with
``code`` (exit status, or a text why the program did not start), ``seconds`` of wall time and ``peak_bytes`` (0 where the
system does not tell).
"""

import json
import subprocess
import sys
import time
from pathlib import Path


def main(report: str, *command: str) -> None:
    """Run ``command``, with its output passed through, and write the report."""
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
    except ImportError:  # no such thing on Windows
        return 0
    # macOS counts bytes, the others KiB.
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
