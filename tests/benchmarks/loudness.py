"""The page on loudness: EBU's test signals as they are measured, and what results with a target loudness reach.

python tests/benchmarks/loudness.py > recipes/report/loudness.md
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import soundfile
from tables import table

import audioae
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions

ROOT = Path(__file__).parent.parent.parent
TESTS = ROOT / "tests/runtime/test_loudness.py"
TARGETS = (-23.0, -16.0, -14.0)
HEAD = """# Loudness

`audioae denoise --loudness -16` sets the integrated loudness by ITU-R BS.1770-4 and EBU R128, with true peaks of at most
-1 dBTP; [media.md](media.md) says how. `python tests/benchmarks/loudness.py` makes this page.

The first table measures the synthetic signals of EBU Tech 3341: tones with a stated loudness (tolerance 0.1 LU), and tones
whose true peak lies between the samples (tolerance +0.2 and -0.4 dB). Its cases 7 and 8 are programmes, which are not here.
"""
REACHED = """The second table is of results with a target. EBU's signals pass through the engine unchanged (`--mix 0`), and
recordings are cleaned by `conv1d_dae`. The results were read again: their loudness by pyloudnorm, which is independent of
the engine's meter, and their true peak at 16 times the rate. pyloudnorm has no weights for more than five channels, so
case 6 has the engine's own figure.
"""


def tests() -> Any:
    """The module with the signals."""
    spec = importlib.util.spec_from_file_location("test_loudness", TESTS)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def main() -> None:
    """Print the page."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    made = tests()
    print(HEAD)
    rows: list[list[object]] = [
        [f"3341 {case}", f"{expected:.1f} LUFS", f"{made.measured(wave).loudness:.2f} LUFS"]
        for case, (wave, expected) in made.TECH_3341.items()
    ]
    for case, (wave, expected) in made.PEAKS_3341.items():
        rows.append([f"3341 {case}", f"{expected:.1f} dBTP", f"{made.measured(wave).true_peak:.2f} dBTP"])
    table(["signal", "expected", "measured"], rows)
    print(REACHED)
    model = audioae.load("conv1d_dae")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = {path.stem: path for path in sorted((ROOT / "samples/noisy").glob("*.flac"))}
        for case, (wave, _) in made.TECH_3341.items():
            sources[f"3341 {case}"] = folder / f"{case}.wav"
            soundfile.write(sources[f"3341 {case}"], wave, made.RATE, "FLOAT")
        for target in TARGETS:
            for title, source in sources.items():
                options = DenoiseOptions(loudness=target, mix=0.0 if title.startswith("3341") else 1.0, overwrite=True)
                report = denoise_file(model, source, folder / f"out{source.suffix}", options)
                wave, rate = soundfile.read(folder / f"out{source.suffix}", dtype="float32", always_2d=True)
                few = wave.shape[1] <= 5
                reached = pyloudnorm.Meter(rate).integrated_loudness(wave) if few else report.loudness
                peak = 20 * np.log10(max(made.peak(channel) for channel in wave.T))
                rows.append([title, f"{target:.0f}", f"{reached:.2f}", f"{report.loudness:.2f}", f"{peak:.2f}"])
    table(["recording", "target LUFS", "reached LUFS", "by the report", "true peak dBTP"], rows)


if __name__ == "__main__":
    main()
