"""Live sound through PortAudio and a device that hears silence and swallows all; without PortAudio, what is then said."""

import ctypes.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audioae.infer.live import _Ready

PORTAUDIO = sys.platform == "linux" and ctypes.util.find_library("portaudio")


def live(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "asound.conf").write_text("pcm.!default { type null }\nctl.!default { type null }\n")
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(folder / "asound.conf")}
    command = [sys.executable, "-m", "audioae", "live", *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_from_device_to_device(tmp_path: Path) -> None:
    run = live(tmp_path, "--seconds", "1.2", "--backend", "onnx", "--rate", "16000")
    if not PORTAUDIO:
        assert run.returncode == 1 and "libportaudio2" in run.stderr and len(run.stderr.splitlines()) == 1
        return
    assert run.returncode == 0, run.stderr
    # The null device waits for nobody: it must be told that blocks were lost, and at what latency the rest went.
    assert "latency" in run.stderr and " 0 overruns" not in run.stderr


def test_devices_are_listed_and_unknown_ones_refused(tmp_path: Path) -> None:
    listed, unknown = live(tmp_path, "--list"), live(tmp_path, "--input", "no such device")
    if not PORTAUDIO:
        assert listed.returncode == unknown.returncode == 1 and "libportaudio2" in listed.stderr
        return
    assert listed.returncode == 0 and "default" in listed.stdout
    assert unknown.returncode == 1 and "audioae live --list" in unknown.stderr


@pytest.mark.parametrize("sizes", [(3, 5, 2), (1,) * 10])
def test_what_is_ready_is_given_out_once_and_in_order(sizes: tuple[int, ...]) -> None:
    ready = _Ready(1)
    wave = np.arange(10, dtype=np.float32)[:, None]
    at = 0
    for size in sizes:
        ready.put(wave[at : at + size])
        at += size
    first, second = np.empty((6, 1), np.float32), np.full((6, 1), 9, np.float32)
    assert (ready.take(first), ready.take(second)) == (6, 4)
    assert np.array_equal(np.concatenate([first, second])[:, 0], [*range(10), 0, 0])


@pytest.mark.usefixtures("root")
def test_what_goes_wrong_while_cleaning_is_told(tmp_path: Path) -> None:
    (tmp_path / "asound.conf").write_text("pcm.!default { type null }\nctl.!default { type null }\n")
    program = (
        "import audioae; from audioae.infer.live import run\n"
        "s = audioae.Streamer(audioae.load('conv1d_dae'), 16000); s.feed = lambda block: 1 / 0\n"
        "run(s, seconds=60)"
    )
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=50)
    assert told.returncode == 1 and ("ZeroDivisionError" if PORTAUDIO else "libportaudio2") in told.stderr
