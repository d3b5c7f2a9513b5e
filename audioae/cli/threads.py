"""Environment variables of libraries: number of threads, and waiting without spinning."""

import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0", "GOMP_SPINCOUNT": "0"}
"""Waiting OpenMP threads release their core at once."""
COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def wait_passively(environment: MutableMapping[str, str]) -> None:
    """Make libraries wait without spinning, unless the environment says otherwise. They must not be loaded yet.

    numpy uses one thread, because its matrices are small here.
    """
    if not any(name in environment for name in WAITING):
        environment.update(WAITING)
    if not any(name in environment for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")):
        environment["OPENBLAS_NUM_THREADS"] = "1"


@contextmanager
def at_most(count: int) -> Iterator[None]:
    """Limit the threads of this process and of those that it starts, within the ``with`` block."""
    before = {name: os.environ.get(name) for name in COUNTS}
    os.environ.update(dict.fromkeys(COUNTS, str(count)))
    torch = sys.modules.get("torch")  # if it is not loaded yet, it will read the environment
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
