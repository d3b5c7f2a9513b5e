"""Entry point of ``audioae``, ``python -m audioae`` and ``torchrun -m audioae``."""

import gc
import os
import sys
import threading
import time

from audioae.audio.standard import settle, stand_in_for_closed_streams
from audioae.cli.app import main
from audioae.cli.terminal import tell_bug, tell_bug_of_thread
from audioae.cli.threads import wait_passively


def run() -> None:
    """Run the command line and exit."""
    stand_in_for_closed_streams()
    sys.excepthook = tell_bug
    threading.excepthook = tell_bug_of_thread
    started = time.monotonic()
    wait_passively(os.environ)  # before torch is loaded, which the commands do
    try:
        main(prog_name="audioae", obj=started)
    finally:
        # The command has already reported what could not be written.
        settle(sys.stdout)
        settle(sys.stderr)
        gc.freeze()  # saves half a second of garbage collection at exit


if __name__ == "__main__":
    run()
