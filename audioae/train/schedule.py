"""Length and learning-rate schedule of a training, by steps or by a budget of wall time."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from audioae.recipe import TrainConfig

Clock = Callable[[], float]


@dataclass(frozen=True)
class Budget:
    """Wall time of a command.

    Attributes:
        seconds: wall time over all runs of a resumed training.
        since: reading of the clock at the start of the command; now by default.
        clock: returns seconds.
    """

    seconds: float
    since: float = math.nan
    clock: Clock = field(default=time.monotonic, repr=False)

    def __post_init__(self) -> None:
        if math.isnan(self.since):
            object.__setattr__(self, "since", self.clock())

    @property
    def spent(self) -> float:
        """Seconds since the start of the command."""
        return self.clock() - self.since

    def less(self, seconds: float) -> "Budget":
        """The budget, reduced by ``seconds``."""
        return Budget(self.seconds - seconds, self.since, self.clock)


class Schedule:
    """Progress of a training, by steps or by a time budget.

    The training ends early enough for one more step, a validation and a checkpoint within the budget. Validations and
    checkpoints are expected to take as long as the longest so far, a step as long as the last one.

    Args:
        steps: optimiser steps of the whole training.
        budget: wall time; None for no limit.
        before: seconds of earlier runs of the same training.
    """

    def __init__(self, steps: int, budget: Budget | None = None, before: float = 0.0) -> None:
        self.steps, self.before = steps, before
        self.limit = None if budget is None else budget.seconds
        self._time = budget or Budget(math.inf)
        self._took: dict[str, float] = {}
        self._setup: float | None = None

    @property
    def seconds(self) -> float:
        """Wall time so far, over all runs."""
        return self.before + self._time.spent

    def expect(self, kind: str, seconds: float) -> None:
        """Set the expected duration of work that is repeated at the end; the longest counts."""
        self._took[kind] = max(seconds, self._took.get(kind, 0.0))

    @contextmanager
    def timed(self, kind: str, latest: bool = False) -> Iterator[None]:
        """Measure the duration of work that is repeated at the end; the longest counts, or with ``latest`` the last one."""
        start = self._time.clock()
        yield
        if latest:
            self._took.pop(kind, None)
        self.expect(kind, self._time.clock() - start)

    def share(self, step: int) -> float:
        """Share of the training before this step, by steps or by time, whichever is larger; 1 is the end."""
        if self._setup is None:
            self._setup = self._time.spent
        share = step / max(self.steps, 1)
        if self.limit is None:
            return share
        # The time before the first step does not count.
        there_is = self.limit - sum(self._took.values()) - self._setup
        return max(share, (self.seconds - self._setup) / there_is if there_is > 0 else 1.0)


class Pulse:
    """A timer of messages, which are due ``every`` seconds after the last one."""

    def __init__(self, every: float, clock: Clock = time.monotonic) -> None:
        self.every, self._clock = every, clock
        self.beat()

    def beat(self) -> None:
        """Restart the timer, because a message was written."""
        self._last = self._clock()

    @property
    def due(self) -> bool:
        """Whether a message is due."""
        return self._clock() - self._last >= self.every


def learning_rate(config: TrainConfig, step: int, share: float) -> float:
    """Linear warm-up over the first steps, then cosine decay to ``final_rate`` times the learning rate.

    >>> [round(learning_rate(TrainConfig(learning_rate=1.0, warmup=0), 9, s), 2) for s in (0.0, 0.5, 1.0)]
    [1.0, 0.51, 0.02]
    """
    warm = min(1.0, (step + 1) / (config.warmup + 1))
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return config.learning_rate * warm * (config.final_rate + (1 - config.final_rate) * cosine)
