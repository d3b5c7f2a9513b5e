"""Measures the gain of ``audioae adapt`` on a difficult noise: ``python tests/benchmarks/adapting.py``.

The noise is a minute of an engine that is revved, which has the pitch and the harmonics of a voice. Prints what the
command prints.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SECONDS = 60


def engine() -> np.ndarray:
    """An engine that is revved up and down between 110 and 230 Hz, with the harmonics below 7.5 kHz; samples ``(N,)``."""
    time = np.arange(SECONDS * RATE) / RATE
    pitch = 170 + 60 * np.sin(2 * np.pi * time / 1.3)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return 0.1 * sum(np.sin(k * phase) / k * (k * pitch < 7500) for k in range(1, 41))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="10m", help="time to train [10m]")
    parser.add_argument("--model", default="default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        noise, out = Path(name) / "engine.wav", Path(name) / "mine.safetensors"
        soundfile.write(noise, engine(), RATE)
        command = ["adapt", given.model, "--noise", str(noise), "-o", str(out), "--budget", given.budget, "-q"]
        subprocess.run([sys.executable, "-m", "audioae", *command], check=True)


if __name__ == "__main__":
    main()
