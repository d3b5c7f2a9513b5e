"""Entry point of ``audioae``, ``python -m audioae`` and ``torchrun -m audioae``."""

import atexit
import os
import sys
import time

from audioae.audio.standard import settle, stand_in_for_closed_streams
from audioae.cli.app import main
from audioae.cli.terminal import tell_bug
from audioae.cli.threads import wait_passively


def run() -> None:
    """Run the command line and end the process, at once where torch was loaded.

    A CUDA build of torch takes up to a second and 100 MB to tear itself down, for nothing: all that we hold is closed.
    """
    stand_in_for_closed_streams()
    sys.excepthook = tell_bug
    started = time.monotonic()
    wait_passively(os.environ)  # before torch is loaded, which the commands do
    try:
        main(prog_name="audioae", obj=started)
    except SystemExit as end:
        # The command has already said what could not be written.
        settle(sys.stdout)
        settle(sys.stderr)
        torch = sys.modules.get("torch")
        if torch is None or not isinstance(end.code, int | None):
            raise
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            raise
        atexit._run_exitfuncs()
        os._exit(end.code or 0)


if __name__ == "__main__":
    run()
