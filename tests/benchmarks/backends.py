"""Difference between `--backend onnx` and torch, for recipes/report/onnx.md: every denoiser at every common rate.

The first run exports each network at each rate, which takes some seconds each; the user's cache folder keeps them.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import soundfile
from tables import table

RATES = (8_000, 16_000, 24_000, 44_100, 48_000)
SECONDS = 3
RECORDING = Path(__file__).parent.parent.parent / "samples/noisy/48k-waves.flac"


def main() -> None:
    import torch

    import audioae
    from audioae.modelfile import shipped
    from audioae.signal.resample import resample

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=shipped("denoisers"), metavar="MODEL")
    parser.add_argument("--rates", nargs="+", type=int, default=RATES, metavar="HZ")
    given = parser.parse_args()
    torch.set_num_threads(1)
    wave, own = soundfile.read(RECORDING, dtype="float32", frames=SECONDS * 48_000)
    rows: list[list[object]] = []
    for name in given.models:
        by_torch, by_onnx = audioae.load(name), audioae.load(name, backend="onnx")
        row: list[object] = [name]
        for rate in given.rates:
            noisy = resample(wave, own, rate)
            first = audioae.denoise(noisy, rate, model=by_torch)
            second = audioae.denoise(noisy, rate, model=by_onnx)
            assert np.abs(first).max() > 0.01, "the speech is still there"
            row.append(f"{np.abs(first - second).max():.0e}")
            print(name, rate, row[-1], file=sys.stderr)
        rows.append(row)
    table(["model", *(f"{rate} Hz" for rate in given.rates)], rows)


if __name__ == "__main__":
    main()
