import os
import signal
from collections.abc import Callable

import pytest


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No curves, which take most of the time of a short training, unless a test uses ``drawn``."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr("audioae.train.log.save_curves", lambda *_: None)


@pytest.fixture
def drawn() -> None:
    """Trainings draw their curves."""


class Impatient:
    """Sends this process what Ctrl-C sends, after a step."""

    def __init__(self, last: int) -> None:
        self.last = last

    def started(self, *_: object) -> None: ...
    def measuring(self, *_: object) -> None: ...
    def validated(self, *_: object) -> None: ...
    def alarmed(self, *_: object) -> None: ...
    def skipped(self, *_: object) -> None: ...
    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        if step == self.last:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def impatient() -> Callable[[int], Impatient]:
    """Makes a watcher that interrupts after a step."""
    return Impatient
