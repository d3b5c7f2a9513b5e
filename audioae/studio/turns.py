"""A fair semaphore: few of many jobs compute at a time, and each lets the next one continue after every block."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A semaphore whose waiters are served in the order in which they came.

    Args:
        slots: number of jobs that compute at a time.

    >>> turns = Turns(1)
    >>> with turns.taken():
    ...     turns.pass_on()  # nobody waits
    """

    def __init__(self, slots: int) -> None:
        self._lock = threading.Lock()
        self._free = slots
        self._line: deque[threading.Event] = deque()

    @property
    def waiting(self) -> int:
        """Number of jobs that wait for a turn."""
        return len(self._line)

    def acquire(self) -> None:
        """Wait for a turn."""
        with self._lock:
            if self._free and not self._line:
                self._free -= 1
                return
            mine = threading.Event()
            self._line.append(mine)
        mine.wait()

    def release(self) -> None:
        """Pass the turn to the job that has waited longest."""
        with self._lock:
            if self._line:
                self._line.popleft().set()
            else:
                self._free += 1

    def pass_on(self) -> None:
        """Let waiting jobs go first, if there are any."""
        with self._lock:
            if not self._line:
                return
            mine = threading.Event()
            self._line.append(mine)
            self._line.popleft().set()
        mine.wait()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A turn for as long as the block runs."""
        self.acquire()
        try:
            yield
        finally:
            self.release()
