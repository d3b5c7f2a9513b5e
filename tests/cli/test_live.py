"""Keys of `audioae live` at a pseudo terminal, with devices that the test plays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import audioae
from audioae.cli.live import MOST, stronger, weaker

pty = pytest.importorskip("pty", reason="pseudo terminals exist on Unix only")
termios = pytest.importorskip("termios", reason="terminals are set by termios on Unix only")

PROGRAM = """
import sys, threading, time
from types import SimpleNamespace
import numpy as np
from audioae.cli.app import main
from audioae.runtime import streamer

class Devices:
    class PortAudioError(Exception):
        pass
    latency = (0.0, 0.0)
    def Stream(self, **_): return self
    def __enter__(self): pass
    def __exit__(self, *_): pass

sys.modules["sounddevice"] = Devices()
first = streamer.Streamer.__setattr__
def watched(self, name, value):
    if name == "strength":
        print(value.atten_limit, value.mix, flush=True)
    first(self, name, value)
streamer.Streamer.__setattr__ = watched
main(["live", "-m", "conv1d_dae", "--rate", "16000", *sys.argv[1:]])
"""


class Terminal:
    """`audioae live` at a terminal; its output is what each change sets the strength to."""

    def __init__(self, *options: str, terminal: bool = True) -> None:
        self.own, other = pty.openpty()
        self.before = termios.tcgetattr(self.own)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *options],
            stdin=other if terminal else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=other, text=True,
            cwd=Path(__file__).parent.parent.parent,
        )  # fmt: skip
        os.close(other)
        self.told = ""

    def until(self, words: str) -> None:
        """Read standard error until it contains a text."""
        while words not in self.told:
            self.told += os.read(self.own, 4096).decode()

    def press(self, keys: str) -> list[tuple[float | None, float]]:
        """The strengths (limit and mix) that keys set, one after the other."""
        os.write(self.own, keys.encode())
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().split() for _ in keys]
        return [(None if limit == "None" else float(limit), float(mix)) for limit, mix in lines]

    def __enter__(self) -> "Terminal":
        assert self.process.stdout is not None
        self.process.stdout.readline()  # the strength at the beginning
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        os.close(self.own)
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_keys_change_the_strength() -> None:
    with Terminal("--mix", "0.75") as live:
        live.until("keys: + and -")
        live.until("no limit")
        assert live.press("--=+ ") == [(30, 0.75), (27, 0.75), (30, 0.75), (None, 0.75), (None, 0)]
        live.until("off")
        assert live.press(" ") == [(None, 0.75)]
        assert live.press(" -") == [(None, 0), (30, 0.75)]  # + and - turn it on
        live.until("at most 30 dB")


def test_other_keys_do_nothing_and_ctrl_c_ends() -> None:
    with Terminal("--atten-limit", "10") as live:
        live.until("at most 10 dB")
        os.write(live.own, b"x?q1\x1b[A")
        assert live.press("-") == [(9, 1)]
        live.process.send_signal(2)
        assert live.process.wait() == 0


def test_without_a_terminal_nothing_is_read() -> None:
    with Terminal(terminal=False) as live:
        os.write(live.own, b"-")
        live.until("latency")
        live.until("underruns")
        assert "keys" not in live.told and "30" not in live.told


def test_the_terminal_is_left_as_it_was() -> None:
    with Terminal() as live:
        live.until("no limit")
        assert not termios.tcgetattr(live.own)[3] & termios.ECHO
        live.process.send_signal(2)
        assert live.process.wait() == 0
        assert termios.tcgetattr(live.own) == live.before


def test_limits_go_up_and_down_between_0_db_and_no_limit() -> None:
    down: list[float | None] = [None]
    while down[-1] != 0:
        down.append(weaker(down[-1]))
    assert down == [None, *range(int(MOST), -1, -3)]
    up = down[:0:-1]
    assert [stronger(limit) for limit in up] == [*up[1:], None] and stronger(None) is None
    assert (weaker(40), weaker(10), weaker(0), stronger(40), stronger(10)) == (30, 9, 0, None, 12)
    assert audioae.Strength(weaker(3)).dry == 1
