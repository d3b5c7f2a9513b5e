import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.nn.trained import TrainedModel

Found = TypeVar("Found")
ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells start background jobs so, and the programs that tests interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


STUDIO = "tests/studio"
SLOW = (
    STUDIO, "tests/runtime/test_onnx.py", "tests/cli/test_corpora.py", "tests/test_recipes.py", "tests/test_readme.py",
    "tests/train", "tests/runtime/test_cluster.py", "tests/faults", "tests/test_quality.py", "tests/evaluate",
)  # fmt: skip
"""Run first, the longest at the beginning, so that no worker is left with one of them at the end."""


class ByFile(LoadScopeScheduling):
    """Gives all tests of a file to one worker, because they share expensive fixtures; tests of the studio share a server."""

    def _split_scope(self, nodeid: str) -> str:
        return STUDIO if nodeid.startswith(STUDIO) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    config.option.loadscopereorder = False  # the order is that of SLOW
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((n for n, place in enumerate(SLOW) if item.nodeid.startswith(place)), len(SLOW)))


# Tests have no deadline, because the machine may be busy.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


CACHES: list[tempfile.TemporaryDirectory[str]] = []


def pytest_configure() -> None:
    """Workers share the cores with few threads each. They share a folder of exported models, which is not the user's."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        CACHES.append(tempfile.TemporaryDirectory(prefix="audioae-tests-"))
        os.environ["XDG_CACHE_HOME"] = CACHES[0].name
    if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        threads = max(1, (os.cpu_count() or 1) // int(workers))
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # for the commands that tests start
        torch.set_num_threads(threads)


def pytest_unconfigure() -> None:
    """Remove the folder of exported models."""
    while CACHES:
        CACHES.pop().cleanup()


@pytest.fixture(scope="session")
def denoiser() -> Denoiser:
    """The default model of the package."""
    return audioae.load()


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, as the current one: recipes name the samples relative to it."""
    monkeypatch.chdir(ROOT)
    return ROOT


@pytest.fixture
def samples() -> Path:
    """The folder of sample recordings."""
    return SAMPLES


@pytest.fixture
def noisy(tmp_path: Path) -> Callable[..., Path]:
    """Makes a file of real noisy speech in any format."""

    def make(
        name: str = "noisy.wav", subtype: str | None = None, seconds: float = 2.0, channels: int = 1, **options: str
    ) -> Path:
        wave, rate = soundfile.read(SAMPLES / "noisy" / "16k-fire.flac")
        wave = wave[: int(seconds * rate)]
        if channels > 1:
            wave = np.stack([wave * 0.8**c for c in range(channels)], axis=1)
        path = tmp_path / name
        soundfile.write(path, wave, rate, subtype, **options)
        return path

    return make


@pytest.fixture
def endless(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a sparse file of ten hours, which takes longer to clean than a test lasts."""

    def make(name: str) -> Path:
        path, rate, size = tmp_path / name, 8000, 10 * 3600 * 8000 * 2
        head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
        path.write_bytes(head + struct.pack("<4sI", b"data", size))
        os.truncate(path, 44 + size)
        return path

    return make


@pytest.fixture
def until() -> Callable[[Callable[[], Found], subprocess.Popen[Any]], Found]:
    """Waits for a condition while a process runs, without a limit; pytest ends tests that hang."""

    def wait(condition: Callable[[], Found], process: subprocess.Popen[Any]) -> Found:
        while not (found := condition()):
            assert process.poll() is None, f"it ended before, with {process.returncode}"
            time.sleep(0.01)
        return found

    return wait


@pytest.fixture
def small_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Within ``with small_disk(size):`` no file of this process grows beyond so many bytes, as on a full disk.

    Only within the block, because the output of pytest may go to a file too.
    """
    import resource
    import signal

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    return limit


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Contents of ONNX files of the package's models. Each is exported once, because exporting takes longer than running."""
    from audioae.modelfile import shipped
    from audioae.runtime.onnx_export import onnx_bytes
    from audioae.system.atomic import write_file

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the folder of all workers
        folder = folder.parent

    def make(denoiser: TrainedModel, rate: int, precision: str = "fp32", waves: bool = False) -> bytes:
        if denoiser.name not in shipped():
            return onnx_bytes(denoiser, rate, precision, waves)
        path = folder / f"{denoiser.name}-{rate}-{precision}{'-waves' * waves}.onnx"
        if not path.exists():
            write_file(path, onnx_bytes(denoiser, rate, precision, waves), overwrite=True)
        return path.read_bytes()

    return make


@pytest.fixture
def export_once(exported: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets all code in this process take exported models of the package from ``exported``."""
    monkeypatch.setattr("audioae.runtime.onnx_export.onnx_bytes", exported)


@pytest.fixture(scope="session")
def fresh_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples and recipes in a separate folder, as in a fresh clone."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("samples", "recipes"):
        shutil.copytree(ROOT / name, folder / name)
    return folder
