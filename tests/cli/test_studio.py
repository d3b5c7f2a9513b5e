"""Starting ``audioae studio``: correct and wrong use; its pages are tested in tests/studio."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from audioae.cli.app import main

SAMPLES = Path(__file__).parents[2] / "samples"


def test_it_prints_its_address_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "audioae", "studio", "--no-browser", str(SAMPLES / "noisy")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        address, _, token = process.stdout.readline().strip().partition("/#token=")
        assert address.startswith("http://127.0.0.1:") and len(token) >= 32
        with urllib.request.urlopen(address) as answer:
            assert b"audioae studio" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--test", "conv_dae", "conv_dae_large"], 2, "--test A B and --pairs DIR go together"),
        (["nothing.wav"], 1, "nothing.wav: there is no such file or folder"),
        (["."], 1, ".: no recordings there"),
        (["--max-upload", "0"], 2, "--max-upload"),
        (["-m", "mine.safetensors", "--no-browser"], 1, "mine.safetensors: is neither a model in the package nor a file"),
        (
            ["--test", "conv_dae", "no_model", "--pairs", str(SAMPLES), "--no-browser"],
            1,
            "no_model: no such model to compare",
        ),
    ],
)
def test_unusable_inputs_are_rejected_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "audioae", "studio", *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, says in run.stderr) == (code, True), run.stderr
    assert "Traceback" not in run.stderr


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["studio", "--no-browser", "--port", str(port)])
    assert result.exit_code == 1 and f"127.0.0.1:{port}: cannot listen there" in result.output
    assert result.output.count("\n") == 1
