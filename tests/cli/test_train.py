"""Messages of ``audioae train``; training itself is tested elsewhere."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from audioae.cli.app import main
from audioae.cli.train import Screen
from audioae.train import trainer
from audioae.train.checkpoint import Progress
from audioae.train.schedule import Budget


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("more", "step", "interrupted", "code", "words"),
    [
        ("--budget=1m", 50, False, 0, "used up the budget"),
        ("train.steps=50", 50, False, 0, "all steps were already taken"),
        ("--budget=1m", 50, True, 130, "--resume continues"),
    ],
)
def test_runs_without_a_step_explain_why(
    more: str, step: int, interrupted: bool, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = trainer.Result(Progress(step, 60.0), {"si_sdr": 1.0}, interrupted, 0, Path("best.safetensors"))
    monkeypatch.setattr(trainer, "train", lambda *_: result)
    done = CliRunner().invoke(main, ["train", "recipes/conv_dae.yaml", more, "--resume", "--out", "run"])
    assert done.exit_code == code
    assert done.stdout.startswith("best.safetensors: 50 steps") and words in done.stderr


def test_the_bar_of_a_resumed_training_starts_at_its_progress() -> None:
    screen = Screen(False)
    screen.bar = SimpleNamespace(n=0.0, initial=0.0, set_postfix_str=lambda *_, **__: None, update=lambda _: None)
    for share in (0.5, 0.6):
        screen.stepped(1, share, {"loss": 1.0})
        assert (screen.bar.initial, screen.bar.n) == (0.5, share)


@pytest.mark.usefixtures("root")
def test_a_training_that_is_too_short_prints_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "3 steps are no more than the warm-up of 200"
    result = trainer.Result(Progress(3, 60.0), {"si_sdr": 1.0}, False, 3, Path("best.safetensors"), doubt=why)
    monkeypatch.setattr(trainer, "train", lambda *_: result)
    done = CliRunner().invoke(main, ["train", "recipes/conv_dae.yaml", "--out", "run"])
    assert done.exit_code == 0
    assert done.stderr == f"audioae: warning: {why}\n"


@pytest.mark.usefixtures("root")
def test_a_budget_counts_from_the_start_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    budgets = []

    def train(recipe: object, out: Path, resume: bool, budget: Budget, *_: object) -> trainer.Result:
        budgets.append(budget)
        return trainer.Result(Progress(), {}, False, 0, out)

    monkeypatch.setattr(trainer, "train", train)
    CliRunner().invoke(main, ["train", "recipes/conv_dae.yaml", "--budget", "1m"], obj=12.5)
    assert (budgets[0].seconds, budgets[0].since) == (60.0, 12.5)
