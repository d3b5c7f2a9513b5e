"""Live sound through PortAudio and its null device; without PortAudio, the error."""

import ctypes.util
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import audioae
from audioae.runtime.live import Status, _Ready, run

PORTAUDIO = sys.platform == "linux" and ctypes.util.find_library("portaudio")


def live(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "asound.conf").write_text("pcm.!default { type null }\nctl.!default { type null }\n")
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(folder / "asound.conf")}
    command = [sys.executable, "-m", "audioae", "live", *options]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_from_device_to_device(tmp_path: Path) -> None:
    ended = live(tmp_path, "--seconds", "1.2", "--backend", "onnx", "--rate", "16000")
    if not PORTAUDIO:
        assert ended.returncode == 1 and "libportaudio2" in ended.stderr and len(ended.stderr.splitlines()) == 1
        return
    assert ended.returncode == 0, ended.stderr
    # The null device does not wait: lost blocks and the latency must be reported.
    assert "latency" in ended.stderr and " 0 overruns" not in ended.stderr


def test_devices_are_listed_and_unknown_ones_rejected(tmp_path: Path) -> None:
    listed, unknown = live(tmp_path, "--list"), live(tmp_path, "--input", "no such device")
    if not PORTAUDIO:
        assert listed.returncode == unknown.returncode == 1 and "libportaudio2" in listed.stderr
        return
    assert listed.returncode == 0 and "default" in listed.stdout
    assert unknown.returncode == 1 and "audioae live --list" in unknown.stderr


class Loopback:
    """Replaces the module sounddevice: devices that play a wave into the microphone and record the output.

    They set the time: a block is due when the one before it has been cleaned, or at once if they do not wait.
    """

    class PortAudioError(Exception):
        pass

    def __init__(self, wave: np.ndarray, cleaned: threading.Semaphore | None) -> None:
        self.wave, self.cleaned = wave, cleaned
        self.put_out: list[np.ndarray] = []
        self.latency = (0.005, 0.007)

    def Stream(self, blocksize: int, callback: Callable[..., None], **_: object) -> "Loopback":  # noqa: N802 - its name there
        self.blocksize, self.callback = blocksize, callback
        return self

    def __enter__(self) -> None:
        self.thread = threading.Thread(target=self._play)
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.thread.join()

    def _play(self) -> None:
        flags = SimpleNamespace(input_overflow=False, output_underflow=False)
        for at in range(0, len(self.wave) - self.blocksize + 1, self.blocksize):
            out = np.full((self.blocksize, 1), np.nan, np.float32)
            self.callback(self.wave[at : at + self.blocksize, None], out, self.blocksize, None, flags)
            self.put_out.append(out)
            if self.cleaned:
                assert self.cleaned.acquire(timeout=60)


@pytest.mark.usefixtures("root")
def test_the_output_is_the_whole_result_with_the_stated_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = soundfile.read("samples/noisy/16k-fire.flac", dtype="float32")[0][:32_000]
    streamer, cleaned, put = audioae.Streamer(audioae.load("conv_dae"), 16000), threading.Semaphore(0), _Ready.put

    def counted(ready: _Ready, samples: np.ndarray) -> None:
        put(ready, samples)
        cleaned.release()

    monkeypatch.setattr(_Ready, "put", counted)
    devices = Loopback(noisy, cleaned)
    monkeypatch.setitem(sys.modules, "sounddevice", devices)
    told: list[Status] = []
    status = run(streamer, seconds=1, watch=told.append)  # or as long as the wave lasts
    assert (status.overruns, status.underruns) == (0, 0) and told
    late = round((status.latency - sum(devices.latency)) * 16000)
    assert late == 2 * streamer.hop  # a frame, half of which overlaps with the one before
    played = np.concatenate(devices.put_out)
    whole = audioae.denoise(noisy, 16000, model="conv_dae")
    assert not played[:late].any()
    assert np.abs(played[late:, 0] - whole[: len(played) - late]).max() < 1e-4


@pytest.mark.usefixtures("root")
def test_overruns_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    streamer = audioae.Streamer(audioae.load("conv1d_dae"), 16000)
    go = threading.Event()

    def slow(block: np.ndarray) -> np.ndarray:
        go.wait(60)
        return block

    monkeypatch.setattr(streamer, "feed", slow)
    devices = Loopback(np.zeros(20 * streamer.hop, np.float32), None)
    monkeypatch.setitem(sys.modules, "sounddevice", devices)
    latencies: list[float] = []

    def watch(status: Status) -> None:
        latencies.append(status.latency - sum(devices.latency))
        go.set()

    status = run(streamer, seconds=0.7, watch=watch)
    # One block is at work, or none yet, 8 wait, and the rest of 20 is lost.
    assert status.overruns in (11, 12)
    assert latencies[0] * 16000 == pytest.approx((20 - status.overruns) * streamer.hop)


def test_device_errors_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Loopback):
        def Stream(self, **_: object) -> Loopback:  # noqa: N802
            raise self.PortAudioError("Invalid sample rate")

    class Busy(Loopback):
        def __enter__(self) -> None:
            raise self.PortAudioError("Device unavailable")

    for devices, told in ((Broken, r"Invalid sample rate.*--rate"), (Busy, r"Device unavailable.*another program")):
        monkeypatch.setitem(sys.modules, "sounddevice", devices(np.zeros(0), None))
        with pytest.raises(audioae.InputError, match=told):
            run(audioae.Streamer(audioae.load("conv1d_dae"), 16000), seconds=1)


@pytest.mark.parametrize("sizes", [(3, 5, 2), (1,) * 10])
def test_ready_samples_are_played_once_and_in_order(sizes: tuple[int, ...]) -> None:
    ready = _Ready(1)
    wave = np.arange(10, dtype=np.float32)[:, None]
    at = 0
    for size in sizes:
        ready.put(wave[at : at + size])
        at += size
    first, second = np.empty((6, 1), np.float32), np.full((6, 1), 9, np.float32)
    assert (ready.take(first), ready.take(second)) == ((6, 0), (4, 0))
    assert np.array_equal(np.concatenate([first, second])[:, 0], [*range(10), 0, 0])


def test_late_samples_are_dropped() -> None:
    ready, block = _Ready(1), np.empty((4, 1), np.float32)
    wave = np.arange(1, 100, dtype=np.float32)[:, None]
    ready.put(wave[:6])
    assert ready.take(block) == (4, 0)
    assert ready.take(block) == (2, 0) and not block[2:].any()  # two samples of silence
    ready.put(wave[6:11])
    assert ready.take(block) == (4, 1)  # one of five too many
    ready.put(wave[11:30])
    assert ready.take(block) == (4, 1) and block[0] == wave[12]
    assert ready.take(block) == (4, 0) and block[0] == wave[16]


@pytest.mark.usefixtures("root")
def test_errors_in_cleaning_are_raised(tmp_path: Path) -> None:
    (tmp_path / "asound.conf").write_text("pcm.!default { type null }\nctl.!default { type null }\n")
    program = (
        "import audioae; from audioae.runtime.live import run\n"
        "s = audioae.Streamer(audioae.load('conv1d_dae'), 16000); s.feed = lambda block: 1 / 0\n"
        "run(s, seconds=60)"
    )
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf")}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert told.returncode == 1 and ("ZeroDivisionError" if PORTAUDIO else "libportaudio2") in told.stderr
