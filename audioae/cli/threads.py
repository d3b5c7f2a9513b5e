"""What libraries read from the environment when they are loaded: how their threads wait, and how many there are."""

import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0"}
"""Threads of OpenMP that wait let go of their core at once, for whoever else has work."""
COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def be_considerate(environment: MutableMapping[str, str]) -> None:
    """Have libraries that are not loaded yet wait without spinning, unless the person has chosen otherwise.

    numpy's matrices are small here, so that its own threads only wait for one another.
    """
    if not any(name in environment for name in WAITING):
        environment.update(WAITING)
    if not any(name in environment for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")):
        environment["OPENBLAS_NUM_THREADS"] = "1"


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """So many threads in this process and in those that it starts; afterwards all is as before."""
    before = {name: os.environ.get(name) for name in COUNTS}
    os.environ.update(dict.fromkeys(COUNTS, str(count)))
    torch = sys.modules.get("torch")  # where it is not loaded yet, it reads the environment
    own = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if torch:
            torch.set_num_threads(own)
