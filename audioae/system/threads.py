"""Number of CPU threads: one for small work, all for large.

Threads share each operation and wait for one another at its end. On a machine with other work one of them is always late,
so that small work, of many short operations, is done much sooner by one thread. Long recordings are cut into segments
instead, each of which has a thread to itself.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

SMALL_SECONDS = 120.0
"""Sound that is less than this, of all channels and examples together, is small work for a network."""


@contextmanager
def limited(most: int) -> Iterator[None]:
    """torch uses at most so many threads within; afterwards it is set as before.

    >>> before = torch.get_num_threads()
    >>> with limited(1):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    torch.set_num_threads(min(most, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def for_sound(samples: int, rate: int) -> AbstractContextManager[None]:
    """Threads for work on so many samples, of all channels and examples: one if it is small, else all that torch may use."""
    if samples >= SMALL_SECONDS * rate or torch.get_num_threads() == 1:
        return nullcontext()
    return limited(1)


def beside(workers: int) -> int:
    """Threads for a training whose data is mixed by so many other processes: the cores that they leave.

    Whoever has set a number of threads (``--threads``, ``OMP_NUM_THREADS``) gets that number.
    """
    there_are = torch.get_num_threads()
    return there_are if "OMP_NUM_THREADS" in os.environ else max(1, there_are - workers)


def _run_by_one_thread() -> None:
    """In a forked process: the threads of OpenMP stayed behind, and work that is shared with them never ends."""
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run_by_one_thread)
