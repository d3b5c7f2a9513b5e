"""What ``audioae train`` says around a training, which itself is tested elsewhere."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from audioae.cli.app import main
from audioae.cli.train import Screen
from audioae.train import trainer
from audioae.train.checkpoint import Progress


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("more", "step", "interrupted", "code", "words"),
    [
        ("--budget=1m", 50, False, 0, "used up the budget"),
        ("train.steps=50", 50, False, 0, "no step was left to take"),
        ("--budget=1m", 50, True, 130, "--resume goes on"),
    ],
)
def test_runs_that_end_at_once(
    more: str, step: int, interrupted: bool, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = trainer.Result(Progress(step, 60.0), {"si_sdr": 1.0}, interrupted, 0, Path("best.safetensors"))
    monkeypatch.setattr(trainer, "train", lambda *_: result)
    done = CliRunner().invoke(main, ["train", "recipes/conv_dae.yaml", more, "--resume", "--out", "run"])
    assert done.exit_code == code
    assert done.stdout.startswith("best.safetensors: 50 steps") and words in done.stderr


def test_a_resumed_bar_begins_where_the_training_stands() -> None:
    screen = Screen(False)
    screen.bar = SimpleNamespace(n=0.0, initial=0.0, set_postfix_str=lambda *_, **__: None, update=lambda _: None)
    for share in (0.5, 0.6):
        screen.stepped(1, share, {"loss": 1.0})
        assert (screen.bar.initial, screen.bar.n) == (0.5, share)
