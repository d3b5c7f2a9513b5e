"""What ``audioae adapt`` gains on a noise that the models handle badly: ``python tests/benchmarks/adapting.py``.

The noise is a minute of an alarm of two horns in turn, made up of harmonics as voices are. Prints what the command prints.
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


def alarm() -> np.ndarray:
    """Two horns in turn, 0.6 s each, with twelve harmonics; samples ``(N,)``."""
    time = np.arange(SECONDS * RATE) / RATE
    phase = 2 * np.pi * np.cumsum(np.where(time / 0.6 % 2 < 1, 435, 580)) / RATE
    return 0.1 * sum(np.sin(k * phase) / k for k in range(1, 13))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="10m", help="time to train [10m]")
    parser.add_argument("--model", default="default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        noise, out = Path(name) / "alarm.wav", Path(name) / "mine.safetensors"
        soundfile.write(noise, alarm(), RATE)
        command = ["adapt", given.model, "--noise", str(noise), "-o", str(out), "--budget", given.budget, "-q"]
        subprocess.run([sys.executable, "-m", "audioae", *command], check=True)


if __name__ == "__main__":
    main()
