"""The log of a training: JSON lines, TensorBoard events and a picture of the curves."""

import json
import math
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from audioae.errors import OutputError
from audioae.plot import save_curves
from audioae.system.atomic import write_file

LOG, CURVES, TENSORBOARD = "log.jsonl", "curves.png", "tensorboard"


def read_log(path: Path) -> list[dict[str, Any]]:
    """Rows of a log up to the first damaged line."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                if not isinstance(row["step"], int):
                    break
            except (ValueError, TypeError, KeyError, RecursionError):
                break
            rows.append(row)
    return rows


class Log:
    """The log of one training in the folder ``out``; rows after ``step`` are dropped, because they will be repeated.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, out: Path, step: int) -> None:
        self.out = out
        self.rows = [row for row in read_log(out / LOG) if row["step"] <= step]
        try:
            write_file(out / LOG, "".join(json.dumps(_finite(row)) + "\n" for row in self.rows).encode())
            self._file = open(out / LOG, "a", encoding="utf-8")  # noqa: SIM115 - open as long as the training
            self._events = SummaryWriter(str(out / TENSORBOARD), purge_step=step + 1 if step else None)
        except OSError as error:
            raise OutputError(f"{out}: cannot write: {error.strerror or error}") from None

    def write(self, row: dict[str, Any]) -> None:
        """Add a row, which has a ``step``; numbers in nested sections become ``section/name`` in TensorBoard.

        Numbers that are not finite become null, because JSON has none.

        Raises:
            OutputError: the disk is full.
        """
        row = _finite(row)
        self.rows.append(row)
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            for name, value in _flat(row):
                if name != "step":
                    self._events.add_scalar(name, value, row["step"])
        except OSError as error:
            raise OutputError(f"{self.out / LOG}: cannot write: {error.strerror or error}") from None

    def draw(self) -> None:
        """Update the picture of the curves."""
        save_curves(self.rows, self.out / CURVES)

    def close(self) -> None:
        """Close both logs.

        Raises:
            OutputError: the disk is full.
        """
        try:
            with closing(self._events):
                self._file.close()
        except OSError as error:
            raise OutputError(f"{self.out}: cannot write: {error.strerror or error}") from None


def _flat(row: dict[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    pairs: list[tuple[str, float]] = []
    for name, value in row.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            pairs.append((prefix + name, value))
    return pairs


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


class RunningMean:
    """Exponential moving averages of losses by name; values that are not finite are ignored."""

    def __init__(self, memory: float = 0.95) -> None:
        self.memory = memory
        self.values: dict[str, float] = {}

    def add(self, losses: Mapping[str, float]) -> None:
        """Add the losses of a step.

        >>> mean = RunningMean(0.5)
        >>> for loss in (1.0, float("nan"), 2.0):
        ...     mean.add({"loss": loss})
        >>> mean.values
        {'loss': 1.5}
        """
        for name, value in losses.items():
            if math.isfinite(value):
                self.values[name] = self.memory * self.values.get(name, value) + (1 - self.memory) * value
