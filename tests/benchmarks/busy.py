"""Measures the time of commands on a busy machine: ``python tests/benchmarks/busy.py``.

Runs each command in turn on the machine as it is, beside a busy loop on every core, and beside it with ``--threads 1``.
Prints medians and their ratios. Loops on every core leave half of the time to the rest, so that twice the quiet time is what
can be expected of a program that computes on all cores. ``--before CHECKOUT`` also runs another checkout of the package
beside the loops, in the same turns.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "samples/noisy/16k-fire.flac"
TRAINING = ["data.memory_mb=300", "data.other_share=0", "valid.at_most=1", "train.validate_every=100000"]
LOOP = "while True: pass"


def commands(folder: Path, steps: int) -> dict[str, list[str]]:
    """Commands by their name in the table; no two write to the same file."""
    for seconds in (3, 60):
        wave, rate = soundfile.read(SOURCE)
        repeated = list(wave) * (1 + seconds * rate // len(wave))
        soundfile.write(folder / f"{seconds}.wav", repeated[: seconds * rate], rate)
    cleaned = ["-o", str(folder / "cleaned.wav"), "--overwrite", "-q"]
    return {
        "denoise, 3 s": ["denoise", str(folder / "3.wav"), *cleaned],
        "denoise, 60 s": ["denoise", str(folder / "60.wav"), *cleaned],
        "denoise, 3 s, --backend onnx": ["denoise", str(folder / "3.wav"), "--backend", "onnx", *cleaned],
        "evaluate, samples": ["evaluate", "conv_dae", "--pairs", "samples", "--measure", "si_sdr", "-q"],
        f"train, {steps} steps": ["train", "recipes/conv_dae.yaml", *TRAINING, f"train.steps={steps}", "-q"],
    }


@contextmanager
def loops() -> Iterator[None]:
    """A busy loop on every core."""
    started = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def seconds(words: list[str], checkout: Path, *more: str) -> float:
    """Wall time of a command of a checkout, which computes as it does by itself."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    environment["PYTHONPATH"] = str(checkout)
    with tempfile.TemporaryDirectory() as folder:
        out = ["--out", folder] if words[0] == "train" else []
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "audioae", *words, *out, *more], cwd=ROOT, env=environment, check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=3, help="how often each is run [3]")
    parser.add_argument("--steps", type=int, default=10, help="of the training [10]")
    parser.add_argument("--only", default="", metavar="WORD", help="only commands whose name holds this")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout to compare with")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("| command | quiet s | busy s | busy, one thread s | busy / quiet | busy / one thread |"
              + (" before / now, busy |" if given.before else ""))  # fmt: skip
        print("|---|---|---|---|---|---|" + ("---|" if given.before else ""))
        for name, words in commands(Path(folder), given.steps).items():
            if given.only not in name:
                continue
            found: dict[str, list[float]] = {}
            for _ in range(given.times):
                found.setdefault("quiet", []).append(seconds(words, ROOT))
                with loops():
                    found.setdefault("busy", []).append(seconds(words, ROOT))
                    found.setdefault("one", []).append(seconds(words, ROOT, "--threads", "1"))
                    if given.before:
                        found.setdefault("before", []).append(seconds(words, given.before))
            quiet, busy, one, *before = (statistics.median(each) for each in found.values())
            row = f"| {name} | {quiet:.1f} | {busy:.1f} | {one:.1f} | {busy / quiet:.1f} | {busy / one:.1f} |"
            print(row + "".join(f" {each / busy:.1f} |" for each in before), flush=True)


if __name__ == "__main__":
    main()
