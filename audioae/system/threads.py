"""Number of CPU threads: one for small work, all for large.

Threads share each operation and wait for each other at its end. On a busy machine one of them is always late, so that many
short operations are much faster in one thread. Long recordings are cut into segments instead, with one thread each.

Only torch uses several threads here. It is not imported by this module, because models also run without it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

SMALL_SECONDS = 120.0
"""Less audio than this, over all channels and examples, is small work for a network."""


def loaded_torch() -> Any:
    """The module ``torch`` if it is loaded, otherwise None."""
    module = sys.modules.get("torch")
    return module if hasattr(module, "set_num_threads") else None  # not if another thread is importing it


def count() -> int:
    """Number of threads that torch uses, or will use when it is loaded: ``OMP_NUM_THREADS``, or one per core."""
    if torch := loaded_torch():
        number: int = torch.get_num_threads()
        return number
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else cores()


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use(number: int) -> None:
    """Set the number of threads of torch in the calling thread, if torch is loaded."""
    if torch := loaded_torch():
        torch.set_num_threads(number)


@contextmanager
def limited(most: int) -> Iterator[None]:
    """Limit torch to ``most`` threads within the ``with`` block.

    >>> before = count()
    >>> with limited(1):
    ...     count() == 1 or loaded_torch() is None
    True
    >>> count() == before
    True
    """
    torch = loaded_torch()
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(min(most, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def for_sound(samples: int, rate: int) -> AbstractContextManager[None]:
    """Limit torch to one thread for small work. ``samples`` counts all channels and examples."""
    torch = loaded_torch()
    if torch is None or samples >= SMALL_SECONDS * rate or torch.get_num_threads() == 1:
        return nullcontext()
    return limited(1)


def training_threads(workers: int) -> int:
    """Threads for a training with this many data workers: the remaining cores.

    A number that the user has set (``--threads``, ``OMP_NUM_THREADS``) takes precedence.
    """
    there_are = count()
    return there_are if "OMP_NUM_THREADS" in os.environ else max(1, there_are - workers)


def _run_by_one_thread() -> None:
    """Use one thread in a forked process: it has no OpenMP threads, and would wait for them forever."""
    use(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_run_by_one_thread)
