"""Without a terminal, progress is a line at least once a minute; by a clock that the test moves on."""

import threading

import pytest

from audioae.cli import progress
from audioae.cli.progress import Lines, bar
from audioae.cli.train import Screen


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_lines_are_printed_at_intervals_and_not_for_quick_work(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(12, "evaluate", clock=clock)
    for _ in range(12):
        clock.now += 20
        lines.set_description("noisy input")
        lines.update()
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 6 and told[0].startswith("noisy input: 2/12 [00:40<") and told[-1].startswith("noisy input: 12/12")


def test_a_line_is_printed_while_one_piece_of_work_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.001)
    clock, told = Clock(), threading.Event()
    monkeypatch.setattr(progress, "above", lambda text: (lines.append(text), told.set()))
    lines: list[str] = []
    with Lines(4, "recordings", clock=clock):
        assert not told.wait(0.05), "nothing is due"
        clock.now += 40
        assert told.wait(300)
    assert lines == ["recordings: 0/4 [00:40<?]"]


def test_without_a_terminal_bars_become_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    for quiet in (False, True):
        with bar(1.0, "a.wav", quiet, "{desc} {percentage:3.0f}% |{bar:24}| {elapsed}<{remaining} {postfix}") as shown:
            shown.n = 0.5
            shown.set_postfix_str("90x")
            shown.update(0)
        told = capsys.readouterr().err
        assert told == "" if quiet else told.split()[:2] == ["a.wav", "50%"] and "90x" in told


def test_a_training_reports_its_progress(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    screen = Screen(False)
    screen.bar = Lines(1.0, "train", "{percentage:5.1f}% |{bar:24}| {elapsed}<{remaining} {postfix}", clock)
    for step in range(1, 5):
        clock.now += 20
        screen.stepped(step, step / 10, {"loss": 0.25})
    clock.now += 40
    screen.measuring(4, 3, 8)
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == ["20.0%", "40.0%", "40.0%"]
    assert "step 2, loss 0.25" in told[0] and "step 4, measured 3 of 8" in told[2]
