import shutil
from pathlib import Path

import pytest
import soundfile

NAMES = ("16k-fire", "8k-fire")
SECONDS = 2.5
"""Speech recognition in noise takes its time."""


@pytest.fixture
def few(samples: Path, tmp_path: Path) -> Path:
    """A folder with the beginnings of two sample pairs."""
    folder = tmp_path / "few"
    for side in ("noisy", "clean"):
        (folder / side).mkdir(parents=True)
        for name in NAMES:
            file = f"{side}/{name}.flac"
            rate = soundfile.info(samples / file).samplerate
            soundfile.write(folder / file, soundfile.read(samples / file, int(SECONDS * rate), dtype="int16")[0], rate)
    shutil.copy(samples / "pairs.csv", folder)
    return folder
