"""Entry point of ``audioae``, ``python -m audioae`` and ``torchrun -m audioae``."""

import gc
import os
import sys
import threading
import time

from audioae.audio.standard import flush_or_discard, stand_in_for_closed_streams
from audioae.cli.app import main
from audioae.cli.terminal import print_thread_error, print_traceback
from audioae.cli.threads import wait_passively


def run() -> None:
    """Run the command line and exit."""
    stand_in_for_closed_streams()
    sys.excepthook = print_traceback
    threading.excepthook = print_thread_error
    started = time.monotonic()
    wait_passively(os.environ)  # before torch is loaded, which the commands do
    try:
        main(prog_name="audioae", obj=started)
    finally:
        # The command has already reported what could not be written.
        flush_or_discard(sys.stdout)
        flush_or_discard(sys.stderr)
        gc.freeze()  # saves half a second of garbage collection at exit


if __name__ == "__main__":
    run()
