"""Measures the time per frame by torch, by onnxruntime and without audioae: sections of ``recordings.py``."""

import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from peers import SAMPLES
from tables import table


def frames(folder: Path) -> None:
    """Frames of 16 ms one by one at 16 and 48 kHz, on one thread. A share of 1 is real time.

    With torch and with onnxruntime through `Streamer`, which takes chunks of any length and checks them; and what `audioae
    export` writes without audioae, in the loop of the README, numpy's transform and all, and without the transform. The best
    of eight passes of ten seconds, the four ways in turn, for the pace of a shared machine changes within seconds.
    """
    import torch

    import audioae

    torch.set_num_threads(1)
    rows: list[list[object]] = []
    for rate, name in itertools.product((16_000, 48_000), ("conv_dae", "conv_dae_offline")):
        by_torch, by_onnx = (audioae.Streamer(audioae.load(name, backend=b), rate) for b in ("torch", "onnx"))
        step, loop = exported(folder / f"{name}.onnx", name, rate)
        hop, random = by_onnx.hop, np.random.default_rng(0)
        chunks = list(random.normal(0, 0.1, (625, hop)).astype(np.float32))
        spectra = list(random.normal(0, 1, (625, 1, 1, hop + 1, 2)).astype(np.float32))
        ways = {
            "torch": (by_torch.feed, chunks),
            "onnx": (by_onnx.feed, chunks),
            "exported file, numpy's transform": (loop, chunks),
            "exported file alone": (step, spectra),
        }
        rows += ([name, rate, *row] for row in times_of(ways, 8))
    table(["model", "rate", "with", "share of real time", "ms a frame", "99th percentile ms"], rows)


def exported(path: Path, name: str, rate: int) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], object]]:
    """Runs the file of `audioae export`: a function of a spectrum, which carries the state on, and one of a hop."""
    import onnxruntime

    subprocess.run(
        [sys.executable, "-m", "audioae", "export", name, "-o", str(path), "--rate", str(rate), "--overwrite"],
        check=True,
        capture_output=True,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    first, *states = session.get_inputs()
    state = {each.name: np.zeros([n if isinstance(n, int) else 1 for n in each.shape], np.float32) for each in states}
    hop = int(session.get_modelmeta().custom_metadata_map["hop"])
    window = np.sin(np.pi * np.arange(2 * hop) / (2 * hop))
    held = [np.zeros(hop), np.zeros(hop)]

    def step(frame: np.ndarray) -> np.ndarray:
        clean, *new = session.run(None, {first.name: frame, **state})
        for (key, held), entering in zip(state.items(), new, strict=True):
            state[key] = np.concatenate([held[:, entering.shape[1] :], entering], 1)
        return clean

    def loop(now: np.ndarray) -> np.ndarray:
        frame = np.fft.rfft(window * np.concatenate([held[0], now])).astype(np.complex64)
        clean = step(frame.view(np.float32).reshape(1, 1, -1, 2))
        wave = window * np.fft.irfft(clean[0, 0] @ [1, 1j])
        result = held[1] + wave[:hop]
        held[:] = now, wave[hop:]
        return result

    return step, loop


def precisions(folder: Path) -> None:
    """Size, speed (one frame at 16 kHz, one thread) and quality by `audioae export --precision`.

    SI-SDR in dB and PESQ are means over the noisy recordings of samples/ at 16 kHz.
    """
    import torch

    import audioae
    from audioae.measures.table import measure

    torch.set_num_threads(1)
    rows: list[list[object]] = []
    pairs = [(path, SAMPLES / "clean" / path.name) for path in sorted((SAMPLES / "noisy").glob("16k-*.flac"))]
    for name, precision in itertools.product(("conv_dae_offline", "conv_dae", "conv1d_dae"), ("fp32", "fp16", "int8")):
        path = folder / f"{name}-{precision}.onnx"
        audioae.export(audioae.load(name), path, 16_000, precision)
        denoiser, found = audioae.load(path), []
        for noisy, clean in pairs:
            (wave, rate), (target, _) = (soundfile.read(each, dtype="float32") for each in (noisy, clean))
            found.append(list(measure(["si_sdr", "pesq"], denoiser(wave, rate)[:, None], target[:, None], rate).values()))
        streamer = audioae.Streamer(denoiser, 16_000)
        frames = np.random.default_rng(0).normal(0, 0.1, (500, streamer.hop)).astype(np.float32)
        ((_, _, mean, _),) = times_of({"": (streamer.feed, list(frames))}, 5)
        quality = (f"{value:.3f}" for value in np.mean(found, axis=0))
        rows.append([name, precision, path.stat().st_size / 1e6, mean, *quality])
    table(["model", "precision", "MB", "ms a frame", "SI-SDR", "PESQ"], rows)


def times_of(
    ways: dict[str, tuple[Callable[[np.ndarray], object], Sequence[np.ndarray]]], passes: int
) -> list[tuple[str, float, float, float]]:
    """For each way its name, share of real time, ms on average and in the slowest hundredth, in the best of its passes."""

    def once(step: Callable[[np.ndarray], object], frames: Sequence[np.ndarray]) -> tuple[float, float]:
        took = []
        for frame in frames:
            begin = time.perf_counter()
            step(frame)
            took.append(1000 * (time.perf_counter() - begin))
        return float(np.mean(took)), float(np.percentile(took, 99))

    # The first of them is to warm up.
    found = [{name: once(*way) for name, way in ways.items()} for _ in range(passes + 1)][1:]
    best = {name: min(each[name] for each in found) for name in ways}
    return [(name, mean / 16, mean, slow) for name, (mean, slow) in best.items()]
