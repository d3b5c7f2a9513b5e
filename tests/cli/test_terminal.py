"""Output to terminals and other streams: names with control characters; full, closed and unread streams."""

import ast
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audioae
from audioae.cli.app import main
from audioae.cli.terminal import print_thread_error, print_traceback
from audioae.system.printable import printable
from audioae.weight_files import SHIPPED

PACKAGE = Path(audioae.__file__).parent
full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The command in this process, on real files as standard streams; returns the exit code and both outputs."""
    opened = []

    def call(*arguments: object, **streams: object) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name in ("stdin", "stdout", "stderr"):
                mode = "r" if name == "stdin" else "w"
                (tmp_path / name).touch()
                file = open(streams.get(name, tmp_path / name), mode)  # type: ignore[call-overload]  # noqa: SIM115
                opened.append(file)
                patch.setattr(sys, name, file)
            with pytest.raises(SystemExit) as end:
                main([*map(str, arguments)])
        code = end.value.code
        assert code is None or isinstance(code, int)
        out, errors = ((tmp_path / name).read_text() for name in ("stdout", "stderr"))
        assert "Traceback" not in errors
        return code or 0, out, errors

    yield call
    for file in opened:
        file.close()


def unread() -> int:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_control_characters_become_escapes_and_text_stays() -> None:
    name = "a\x1b[31mb\x9b0m\r\x07\x00\x7f\u202egpj\ud800.wav"
    assert printable(name) == r"a\x1b[31mb\x9b0m\x0d\x07\x00\x7f\u202egpj\ud800.wav".replace(r"\x0d", r"\r")
    assert printable("ünïcode 声音 ☃\tx\ny") == "ünïcode 声音 ☃\tx\ny"
    assert printable("one\ntwo", lines=False) == r"one\ntwo"


def test_all_output_goes_through_one_module() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name in ("terminal.py", "standard.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in {"print", "click.echo", "click.secho", "tqdm.write"}, path
                assert not name.startswith(("sys.stdout.", "sys.stderr.write", "sys.stderr.buffer")), path


def test_file_names_cannot_control_the_terminal(run: Run, tmp_path: Path) -> None:
    evil = tmp_path / "e\x1b[31m\x1b]0;other title\a\nall is well.flac"
    evil.write_text("no sound")
    for arguments in (
        ["denoise", evil, "-o", tmp_path / "o.flac"],
        ["denoise", tmp_path / "missing\x1b[2J.wav"],
        ["denoise", evil, "--\x1b[31m"],
        ["\x1b[31m"],
        ["models", tmp_path / "no\x1bmodel"],
        ["train", tmp_path / "no\x9brecipe.yaml"],
        ["evaluate", "--pairs", tmp_path / "no\x1bpairs"],
    ):
        code, out, errors = run(*arguments)
        assert code in (1, 2) and errors
        assert "\x1b" not in errors + out and "\a" not in errors and "\x9b" not in errors, arguments
        assert "all is well.flac" not in [line.strip() for line in errors.splitlines()]


@pytest.mark.parametrize("place", ["format", "recipe"])
def test_text_of_a_model_cannot_control_the_terminal(run: Run, tmp_path: Path, place: str) -> None:
    data = (SHIPPED / "conv1d_dae.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"][place] = "\x1b[31mx" if place == "format" else json.dumps({"model": {"kind": "\x1b[31mx"}})
    text = json.dumps(header).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    code, out, errors = run("models", tmp_path / "m.safetensors")
    assert code == 1 and errors and "\x1b" not in out + errors


def test_tracebacks_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise KeyError("e\x1b[31m.wav")
    except KeyError as error:
        print_traceback(KeyError, KeyError("\x1b[31m\udcff"), error.__traceback__)
        print_traceback(ValueError, ValueError("\x1b[31m.wav"), error.__traceback__)
    told = capsys.readouterr().err
    assert "Traceback" in told and "ValueError: \\x1b[31m.wav" in told and "\x1b" not in told
    print_traceback(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == "audioae: interrupted\n"


def test_a_thread_ended_by_a_full_disk_is_reported_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", print_thread_error)
    errors = (OSError(28, "No space left on device", "a\x1b[31m\nb"), KeyError("e\x1b[31m.wav"))
    for error in errors:

        def fail(error: Exception = error) -> None:
            raise error

        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith("audioae: in the background: ") and "No space left on device" in first
    assert others[0].startswith("Traceback") and "KeyError" in others[-1] and "\x1b" not in "".join([first, *others])


@full
def test_a_full_standard_output_fails_the_command_but_not_its_work(run: Run, tmp_path: Path, samples: Path) -> None:
    for words in (["--help"], ["denoise", "-h"], ["--version"], ["models"]):
        code, _, errors = run(*words, stdout="/dev/full")
        assert (code, errors) == (1, "audioae: standard output: cannot write: No space left on device\n")
    code, _, errors = run("sample", "-m", "vae_1d", "-n", 2, "-o", tmp_path / "new", stdout="/dev/full")
    assert code == 1 and errors.startswith("audioae: standard output: cannot write")
    assert len(list((tmp_path / "new").iterdir())) == 2
    code, _, errors = run("denoise", samples / "noisy/8k-fire.flac", "-o", "-", "--model", "conv1d_dae", stdout="/dev/full")
    assert code == 1 and "standard output: cannot write" in errors


def test_a_closed_pipe_ends_the_command_without_a_message(run: Run, samples: Path) -> None:
    for words in (["models"], ["--help"], ["denoise", samples / "noisy/8k-fire.flac", "-o", "-", "-q"]):
        code, _, errors = run(*words, stdout=unread())
        assert (code, errors) == (1, "")


@full
def test_messages_that_cannot_be_printed_change_no_result(run: Run, tmp_path: Path, samples: Path) -> None:
    source = samples / "noisy/8k-fire.flac"
    for number, stderr in enumerate(("/dev/full", unread())):
        out = tmp_path / f"{number}.flac"
        assert run("denoise", source, "-o", out, "--model", "conv1d_dae", stderr=stderr)[0] == 0
        assert soundfile.info(out).frames == soundfile.info(source).frames
    assert run("denoise", tmp_path / "missing.wav", stderr="/dev/full")[0] == 1
    assert run("nonsense", stderr="/dev/full")[0] == 2


@full
def test_unusable_standard_input_is_rejected(run: Run, tmp_path: Path) -> None:
    for device in ("/dev/full", "/dev/zero", "/dev/null"):
        for words in (["denoise", "-", "-o", tmp_path / "x.wav"], ["stream"]):
            code, _, errors = run(*words, stdin=os.open(device, os.O_RDONLY))
            assert code == 1 and errors.startswith("audioae: standard input") and errors.count("\n") == 1
    assert not (tmp_path / "x.wav").exists()


def test_devices_are_rejected_as_recordings(run: Run, tmp_path: Path) -> None:
    code, _, errors = run("denoise", os.devnull, "-o", tmp_path / "x.wav")
    assert code == 1 and "is a device, not a recording" in errors


@pytest.mark.skipif(os.name != "posix", reason="a shell closes them")
def test_closed_streams(tmp_path: Path, noisy: Callable[..., Path]) -> None:
    source = noisy(seconds=0.5)
    run = f"{sys.executable} -m audioae denoise --model conv1d_dae"

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", line], capture_output=True, text=True)

    assert shell(f"{run} {source} -o {tmp_path}/o.wav <&- >&- 2>&-").returncode == 0
    assert np.isfinite(soundfile.read(tmp_path / "o.wav")[0]).all()
    assert soundfile.info(tmp_path / "o.wav").frames == soundfile.info(source).frames
    done = shell(f"{run} - -o {tmp_path}/p.wav <&-")
    assert (done.returncode, done.stderr) == (1, "audioae: standard input: cannot be read: Bad file descriptor\n")
    done = shell(f"{run} {source} -o - -q >&-")
    assert (done.returncode, done.stderr) == (1, "audioae: standard output: cannot write: Bad file descriptor\n")
