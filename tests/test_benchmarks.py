"""Benchmarks are run by hand: here only that each of them still loads and says what it does."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = sorted(p for p in (Path(__file__).parent / "benchmarks").glob("*.py") if "__main__" in p.read_text())


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_it_loads(path: Path) -> None:
    told = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "usage" in told.stdout
