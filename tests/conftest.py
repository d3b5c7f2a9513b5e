import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import audioae
from audioae.denoiser import Denoiser

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"


def pytest_configure() -> None:
    """Workers share the cores: threads that wait for each other cost more than they bring."""
    if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
        threads = max(1, (os.cpu_count() or 1) // int(workers))
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # for the commands that tests start
        torch.set_num_threads(threads)


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
    """The folder with the recordings that come along."""
    return SAMPLES


@pytest.fixture
def noisy(tmp_path: Path) -> Callable[..., Path]:
    """Makes a file of real noisy speech in a format of one's own choosing."""

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
def small_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Within ``with small_disk(size):`` no file of this process grows beyond so many bytes, as on a full disk.

    No longer than that, for what pytest itself writes goes to a file too when its output is redirected.
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
def fresh_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone holds besides the package: samples and recipes, in a folder of its own."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("samples", "recipes"):
        shutil.copytree(ROOT / name, folder / name)
    return folder
