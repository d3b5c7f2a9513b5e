"""Number of CPU threads: one for small work, all for large.

Threads share each operation and wait for each other at its end. On a busy machine one of them is always late, so that many
short operations are much faster in one thread. Long recordings are cut into segments instead, with one thread each.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

SMALL_SECONDS = 120.0
"""Less audio than this, over all channels and examples, is small work for a network."""


@contextmanager
def limited(most: int) -> Iterator[None]:
    """Limit torch to ``most`` threads within the ``with`` block.

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
    """Limit torch to one thread for small work. ``samples`` counts all channels and examples."""
    if samples >= SMALL_SECONDS * rate or torch.get_num_threads() == 1:
        return nullcontext()
    return limited(1)


def training_threads(workers: int) -> int:
    """Threads for a training with this many data workers: the remaining cores.

    A number that the user has set (``--threads``, ``OMP_NUM_THREADS``) takes precedence.
    """
    there_are = torch.get_num_threads()
    return there_are if "OMP_NUM_THREADS" in os.environ else max(1, there_are - workers)


def _run_by_one_thread() -> None:
    """Use one thread in a forked process: it has no OpenMP threads, and would wait for them forever."""
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run_by_one_thread)
