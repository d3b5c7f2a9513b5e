"""Recordings that come through pipes, by name or as standard input, also those that do not block."""

import io
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from audioae.audio.files import Reader, read
from audioae.audio.standard import standard_input, write
from audioae.cli.app import main
from audioae.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="named pipes and descriptors are those of POSIX")


def fed(path: Path, content: bytes) -> threading.Thread:
    """A pipe of that name, into which a thread writes once somebody reads."""
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(content,))
    thread.start()
    return thread


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.aiff"])
def test_a_named_pipe_is_read_like_a_file(noisy: Callable[..., Path], tmp_path: Path, name: str) -> None:
    path = noisy(name)
    expected, rate = read(path)
    writer = fed(tmp_path / f"pipe-{name}", path.read_bytes())
    made, made_rate = read(tmp_path / f"pipe-{name}")
    writer.join()
    assert made_rate == rate and np.array_equal(made, expected)


@pytest.mark.parametrize("command", ["denoise", "encode", "reconstruct"])
def test_commands_clean_what_comes_through_a_pipe(noisy: Callable[..., Path], tmp_path: Path, command: str) -> None:
    content = noisy("a.wav").read_bytes()
    place = content.index(b"data") + 4
    content = content[:4] + b"\xff" * 4 + content[8:place] + b"\xff" * 4 + content[place + 4 :]  # of a writer in a pipe
    writer = fed(tmp_path / "pipe", content)
    out = tmp_path / ("out.npz" if command == "encode" else "out.wav")
    model = [] if command == "denoise" else ["-m", "undercomplete_1d"]
    plot = [] if command == "encode" else ["--plot", str(tmp_path / "p.png")]
    made = CliRunner().invoke(main, [command, str(tmp_path / "pipe"), "-o", str(out), *model, *plot])
    writer.join()
    assert made.exit_code == 0, made.output
    if command != "encode":
        assert soundfile.info(out).frames == soundfile.info(tmp_path / "a.wav").frames


def test_unusable_content_of_a_pipe_is_named(tmp_path: Path) -> None:
    for content, told in ((b"nothing of the kind", "not an audio file"), (b"", "not an audio file")):
        (tmp_path / "pipe").unlink(missing_ok=True)
        writer = fed(tmp_path / "pipe", content)
        with pytest.raises(InputError, match=rf"pipe: {told}"), Reader(tmp_path / "pipe"):
            pass
        writer.join()


def test_a_pipe_needs_a_name_for_its_result(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.wav")
    made = CliRunner().invoke(main, ["denoise", str(tmp_path / "p.wav")])
    assert made.exit_code == 2 and "give the path of the result with -o" in made.output
    assert [path.name for path in tmp_path.iterdir()] == ["p.wav"]


def test_reads_wait_for_a_pipe_that_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe says EAGAIN until the writer, which waits for that, writes."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    asked = threading.Event()

    def select(*_: object) -> None:
        asked.set()
        real(*_)

    import select as module

    real = module.select
    monkeypatch.setattr(module, "select", select)
    data = os.urandom(300_000)

    def write_late() -> None:
        with os.fdopen(writer, "wb") as file:
            for start in range(0, len(data), 70_000):
                assert asked.wait(60)
                asked.clear()
                file.write(data[start : start + 70_000])
                file.flush()

    thread = threading.Thread(target=write_late)
    thread.start()
    with os.fdopen(reader, "r") as text:
        monkeypatch.setattr("sys.stdin", text)
        assert standard_input().read() == data
    thread.join()


def test_writes_wait_for_a_pipe_that_does_not_block() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    data = os.urandom(3_000_000)  # more than a socket holds
    got = io.BytesIO()

    def take() -> None:
        while part := theirs.recv(50_000):
            got.write(part)

    thread = threading.Thread(target=take)
    thread.start()
    with open(ours.detach(), "w") as text:
        write(text, data)
    thread.join()
    theirs.close()
    assert got.getvalue() == data
