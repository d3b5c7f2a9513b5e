"""Devices without an end, huge files and pipes in place of the small files that commands read."""

import json
import os
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import audioae
from audioae.autoencoders.codes import Codes
from audioae.data.pairs import find_pairs
from audioae.data.sources import list_files
from audioae.errors import AudioaeError
from audioae.generators.latent import Latent
from audioae.modelfile import info

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="devices, pipes and limits are those of POSIX")
ZERO = Path("/dev/zero")
ROOM = 2**29
"""Bytes of memory that reading may take."""


def told(read: Callable[[Path], object], path: Path) -> bool:
    """Whether a process with little memory to spare gives an error of one line that names the file."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + ROOM
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
            read(path)
        except AudioaeError as error:
            code = 0 if "\n" not in str(error) and str(error).startswith(str(path)) else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read there")
@pytest.mark.parametrize("read", [Latent.load, Codes.load], ids=["latent", "codes"])
def test_a_device_without_an_end_is_rejected(read: Callable[[Path], object]) -> None:
    assert told(read, ZERO)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read there")
@pytest.mark.parametrize("read", [lambda path: list_files([str(path)]), lambda path: find_pairs(str(path))])
@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_manifest_without_an_end_is_rejected(tmp_path: Path, read: Callable[[Path], object], ending: str) -> None:
    endless = tmp_path / f"endless{ending}"
    with open(endless, "wb") as file:
        file.truncate(2**34)
    assert told(read, endless)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of a process is read there")
@pytest.mark.parametrize("read", [Latent.load, Codes.load, audioae.load, info], ids=["latent", "codes", "load", "info"])
def test_a_huge_file_is_rejected(tmp_path: Path, read: Callable[[Path], object]) -> None:
    huge = tmp_path / "huge"
    with open(huge, "wb") as file:
        file.truncate(2**34)
    assert told(read, huge)


def test_small_files_may_come_through_a_pipe(tmp_path: Path) -> None:
    codes = Codes(np.ones((1, 2, 3), np.float32), np.arange(2.0), np.ones(1, np.float32), 99, 8000, "m", "f")
    codes.save(tmp_path / "codes.npz")
    for content, read in (
        (json.dumps({"numbers": [1, 2]}).encode(), lambda path: Latent.load(path).numbers == (1.0, 2.0)),
        ((tmp_path / "codes.npz").read_bytes(), lambda path: np.array_equal(Codes.load(path).values, codes.values)),
    ):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=(content,))
        writer.start()
        assert read(pipe)
        writer.join()
        pipe.unlink()
