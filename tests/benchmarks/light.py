"""Processor time of `--backend onnx` beside torch, for recipes/report/onnx.md: a whole command, and frame by frame.

Processor time of one thread is measured, because it hardly depends on what else runs on the machine. The exported models
are in the cache before.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile
from tables import table

SAMPLES = Path(__file__).parent.parent.parent / "samples/noisy"
FRAMES = """
import sys, time, numpy as np, audioae
name, rate, backend = sys.argv[1], int(sys.argv[2]), sys.argv[3]
streamer = audioae.Streamer(audioae.load(name, backend=backend.replace("warm", "onnx")), rate)
if backend == "warm":
    sys.exit(streamer.feed(np.zeros(rate, np.float32)) is None)
assert ("torch" in sys.modules) == (backend == "torch")
chunks = np.random.default_rng(0).normal(0, 0.1, (200, streamer.hop)).astype(np.float32)
best = 1e9
for _ in range(8):
    begin = time.process_time()
    for chunk in chunks:
        streamer.feed(chunk)
    best = min(best, (time.process_time() - begin) / chunks.size * rate)
print(best)
"""


def seconds(command: list[str]) -> float:
    """Processor time of a command, all in all: the least of four runs, after one that warms up."""
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(took[1:])


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("16k-fire.flac", "48k-waves.flac"):
            wave, rate = soundfile.read(SAMPLES / name, dtype="int16")
            soundfile.write(Path(folder) / name, wave[: 3 * rate], rate)
            for backend in ("torch", "onnx"):
                command = [sys.executable, "-m", "audioae", "denoise", f"{folder}/{name}", "-o", f"{folder}/clean.flac"]
                options = ["--overwrite", "-m", "conv_dae", "--backend", backend]
                rows.append([f"3 s at {rate} Hz", backend, seconds([*command, *options])])
    table(["recording", "backend", "processor seconds of audioae denoise"], rows)
    rows = []
    for rate in (16_000, 48_000):
        for name in ("conv_dae", "conv_dae_offline"):
            for backend in ("torch", "onnx"):
                command = [sys.executable, "-c", FRAMES, name, str(rate), backend]
                if backend == "onnx":
                    subprocess.run([*command[:-1], "warm"], check=True)  # exports the model if need be
                share = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                rows.append([name, rate, backend, share])
    table(["model", "rate", "backend", "share of real time, one hop at a time"], rows)


if __name__ == "__main__":
    main()
