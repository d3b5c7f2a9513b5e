"""Measures the speed of the models on one thread: ``python tests/benchmarks/speed.py``.

Prints seconds of sound per second for every model of the package and, in the same run, for a short-time Fourier transform by
scipy there and back, so that figures of different machines can be compared by their ratio.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.signal import istft, stft

import audioae
from audioae.modelfile import shipped

SECONDS = 20


def speed(work: Callable[[], object], seconds: float = SECONDS, times: int = 5) -> float:
    work()
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return seconds / best


def live(denoiser: audioae.Denoiser, wave: np.ndarray, rate: int) -> None:
    streamer = audioae.Streamer(denoiser, rate)
    hop = streamer.hop
    for start in range(0, len(wave), hop):
        streamer.feed(wave[start : start + hop])
    streamer.flush()


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    print("| model | rate | way | x real time | share of a scipy STFT |\n|---|---|---|---|---|")
    for rate in (16_000, 48_000):
        wave = np.random.default_rng(0).normal(0, 0.1, SECONDS * rate).astype(np.float32)
        window = round(0.032 * rate)
        reference = speed(lambda: istft(stft(wave, nperseg=window)[2], nperseg=window))  # noqa: B023
        for name in shipped("denoisers"):
            denoiser = audioae.load(name)
            whole = speed(lambda: audioae.denoise(wave, rate, model=name))  # noqa: B023
            frames = speed(lambda: live(denoiser, wave[: 4 * rate], rate), 4, 2)  # noqa: B023
            for way, value in (("whole", whole), ("frame by frame", frames)):
                print(f"| {name} | {rate} | {way} | {value:.0f} | {100 * value / reference:.1f} % |")
        print(f"| scipy STFT there and back | {rate} | | {reference:.0f} | 100 % |")


if __name__ == "__main__":
    main()
