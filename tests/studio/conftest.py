import http.client
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import soundfile

SAMPLES = Path(__file__).parent.parent.parent / "samples"
PROGRAM = """
import json, sys
from pathlib import Path
from audioae.cli.threads import wait_passively
import os
wait_passively(os.environ)
from audioae.studio.server import StudioConfig, serve
settings = json.loads(sys.argv[1])
for name in ("paths", "compared"):
    settings[name] = [Path(path) for path in settings.get(name, [])]
settings["runs"] = Path(settings.get("runs", "none"))
serve(StudioConfig(**settings), lambda address: print(address, flush=True))
"""


@dataclass
class Studio:
    """A studio that runs in a process of its own, and what is asked of it."""

    process: subprocess.Popen[str]
    temporary: Path
    address: str
    token: str
    port: int

    def ask(
        self, method: str, path: str, body: Any = None, token: str | None = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token}"
        if isinstance(body, dict):
            body = json.dumps(body)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    @property
    def folders(self) -> list[Path]:
        """The contents of its private folder."""
        return [each for folder in self.temporary.glob("audioae-studio-*") for each in folder.iterdir()]


@dataclass
class Page:
    """A page of the studio without a browser."""

    studio: Studio
    name: str = field(default_factory=lambda: str(uuid.uuid4()))
    recordings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.changed = threading.Condition()
        self.fits: list[dict[str, Any]] = []
        self.connection = http.client.HTTPConnection("127.0.0.1", self.studio.port)
        headers = {"Authorization": f"Bearer {self.studio.token}", "Audioae-Session": self.name}
        self.connection.request("GET", "/api/events", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            for line in self.answer:
                if line.startswith(b"data: "):
                    with self.changed:
                        self._take(json.loads(line[6:]))
                        self.changed.notify_all()
        except (OSError, ValueError, AttributeError):
            return

    def _take(self, event: dict[str, Any]) -> None:
        for each in [*event.get("recordings", ()), *([event["recording"]] if "recording" in event else ())]:
            self.recordings[each["id"]] = each
        self.recordings.pop(event.get("removed", ""), None)
        self.fits += [event["fit"]] if "fit" in event else []

    def until(self, found: Callable[[dict[str, dict[str, Any]]], Any]) -> Any:
        """Wait until ``found`` returns something for the recordings, and return that; pytest ends waits that hang."""
        with self.changed:
            while not (value := found(self.recordings)):
                self.changed.wait(1)
            return value

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request that succeeds."""
        status, headers, data = self.studio.ask(method, path, body, Audioae_Session=self.name)
        assert status == 200, data
        return json.loads(data) if headers["content-type"] == "application/json" else (headers, data)

    def refused(self, method: str, path: str, body: Any = None) -> str:
        """The message of a refused request."""
        status, _, data = self.studio.ask(method, path, body, Audioae_Session=self.name)
        assert 400 <= status < 500, data
        return json.loads(data)["error"]

    def result(self, key: str, state: str, number: int = -1) -> dict[str, Any]:
        """The last result of a recording, once it is in a state."""

        def found(recordings: dict[str, dict[str, Any]]) -> Any:
            results = recordings.get(key, {}).get("results", [])
            return results and results[number]["state"] == state and results[number]

        return self.until(found)

    def close(self) -> None:
        """Disconnect, as a closed tab does."""
        if self.connection.sock is not None:
            self.connection.sock.shutdown(2)
        self.answer.close()
        self.connection.close()


@contextmanager
def running(temporary: Path, **settings: Any) -> Iterator[Studio]:
    """A studio; it is told to end afterwards, if it still runs."""
    temporary.mkdir(exist_ok=True)
    for name in ("paths", "compared"):
        settings[name] = [str(path) for path in settings.get(name, [])]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(settings)],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert "#token=" in address
        place, token = address.split("/#token=")
        yield Studio(process, temporary, address, token, int(place.rpartition(":")[2]))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty hours, which nobody has cleaned before a test is over; on the disk they take no room."""
    import struct

    path, rate, size = tmp_path_factory.mktemp("long") / "long.wav", 8000, 20 * 3600 * 8000 * 2
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    path.write_bytes(head + struct.pack("<4sI", b"data", size))
    os.truncate(path, 44 + size)
    return path


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory, long_recording: Path) -> Iterator[Studio]:
    """A studio for all tests, which shows one recording of the machine."""
    settings = {"paths": [long_recording], "limit": 3 * 2**20, "grace": 1.0}
    with running(tmp_path_factory.mktemp("studio"), **settings) as found:
        yield found


@pytest.fixture
def page(studio: Studio) -> Iterator[Page]:
    """A page of it, closed at the end."""
    page = Page(studio)
    yield page
    page.close()


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any]], None]:
    """Waits for what happens by itself; pytest ends what hangs."""

    def wait(condition: Callable[[], Any]) -> None:
        while not condition():
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def command() -> Callable[..., None]:
    """The command line, in this process."""
    from click.testing import CliRunner

    from audioae.cli.app import main

    def run(*words: object) -> None:
        done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
        assert done.exit_code == 0, done.output

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A noisy recording in a folder of its own."""
    return Path(shutil.copy(SAMPLES / "noisy" / "16k-fire.flac", tmp_path / "fire.flac"))


@pytest.fixture(scope="session")
def clipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with clipped peaks and two dropouts: 40 ms at 1.25 s, and 30 ms at 2.5 s."""
    wave, rate = soundfile.read(SAMPLES / "noisy" / "16k-fire.flac")
    wave = wave.clip(-0.1, 0.1)
    wave[20_000:20_640] = wave[40_000:40_480] = 0
    path = tmp_path_factory.mktemp("clipped") / "clipped.flac"
    soundfile.write(path, wave, rate)
    return path


@pytest.fixture(scope="session")
def distant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a reverberant room that ends at 3.5 kHz."""
    wave, rate = soundfile.read(SAMPLES / "clean" / "16k-fire.flac")
    time = np.arange(int(0.9 * rate)) / rate
    room = np.random.default_rng(0).normal(size=len(time)) * 10 ** (-3 * time / 0.9)
    room[0] = 8
    wave = scipy.signal.fftconvolve(wave, room)[: len(wave)]
    wave = np.convolve(wave, scipy.signal.firwin(401, 3500, fs=rate), "same")
    path = tmp_path_factory.mktemp("distant") / "distant.flac"
    soundfile.write(path, 0.5 * wave / np.abs(wave).max(), rate)
    return path
