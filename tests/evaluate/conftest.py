import shutil
from pathlib import Path

import pytest

NAMES = ("16k-fire", "8k-fire")


@pytest.fixture
def few(samples: Path, tmp_path: Path) -> Path:
    """A folder with two of the pairs that come along, both short."""
    folder = tmp_path / "few"
    for side in ("noisy", "clean"):
        (folder / side).mkdir(parents=True)
        for name in NAMES:
            shutil.copy(samples / side / f"{name}.flac", folder / side)
    shutil.copy(samples / "pairs.csv", folder)
    return folder
