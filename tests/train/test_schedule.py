"""A budget is wall time from the command's start to its end; the test sets the clock."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from audioae.denoisers.denoiser import Denoiser
from audioae.recipe import Recipe, TrainConfig
from audioae.settings.config import load
from audioae.task import Validation
from audioae.train import checkpoint
from audioae.train.schedule import Budget, Pulse, Schedule, learning_rate
from audioae.train.trainer import train
from audioae.train.watcher import Watcher

SMALL = [
    "data.seconds=0.5", "data.batch_size=2", "data.memory_mb=200", "valid.at_most=2", "train.warmup=2", "train.workers=0",
    "model.channels=8", "model.dilations=[1]", "valid.measures=[si_sdr]", "train.steps=100000", "train.log_every=100000",
    "data.other_share=0", "data.augment.formants.share=0", "losses={sd_sdr: 1}",
]  # fmt: skip


class Clock:
    """A clock that the test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Stepping(Watcher):
    """Each step takes some seconds."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        self.clock.now += self.seconds


def slow(monkeypatch: pytest.MonkeyPatch, clock: Clock, setup: float, recording: float, saving: float) -> None:
    """Setting up, measuring a recording and saving each take some seconds."""
    begin, save = Validation.__init__, checkpoint.save

    def slow_begin(self: Validation, *arguments: Any) -> None:
        begin(self, *arguments)
        clock.now += setup

    def slow_recording(self: Validation, denoiser: Denoiser, *sides: Path) -> dict[str, float]:
        clock.now += recording
        return {"si_sdr": 1.0}

    def slow_save(*arguments: Any) -> None:
        clock.now += saving
        save(*arguments)

    monkeypatch.setattr(Validation, "__init__", slow_begin)
    monkeypatch.setattr(Validation, "of_recording", slow_recording)
    monkeypatch.setattr(checkpoint, "save", slow_save)


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def recipe(*overrides: str) -> Recipe:
    return load(Recipe, "recipes/conv_dae.yaml", [*SMALL, *overrides])


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("more", [[], ["train.validate_every=10", "train.checkpoint_every=5"]])
def test_all_of_a_training_keeps_to_its_budget(more: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    slow(monkeypatch, clock, setup=20, recording=5, saving=4 if more else 0)
    began, clock.now = clock.now, clock.now + 10  # the command was started ten seconds ago
    result = train(recipe(*more), tmp_path, budget=Budget(200, began, clock), device="cpu", watcher=Stepping(clock, 4.0))
    took = clock.now - began
    assert 200 - 2 * 10 <= took <= 200
    assert result.progress.seconds <= 200 and result.taken > 10


@pytest.mark.usefixtures("root")
def test_the_learning_rate_falls_during_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    slow(monkeypatch, clock, setup=50, recording=10, saving=0)
    budget = Budget(150, clock=clock)
    train(recipe("train.log_every=1"), tmp_path, budget=budget, device="cpu", watcher=Stepping(clock, 2.0))
    rates = [row["learning_rate"] for row in rows(tmp_path) if "losses" in row]
    full = recipe().train.learning_rate
    assert max(rates) > 0.9 * full and rates[-1] < 0.05 * full


@pytest.mark.usefixtures("root")
def test_a_budget_that_is_too_small_for_anything_still_leaves_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    slow(monkeypatch, clock, setup=20, recording=5, saving=0)
    result = train(recipe(), tmp_path, budget=Budget(10, clock=clock), device="cpu", watcher=Stepping(clock, 1.0))
    assert result.taken == 1 and result.model_file.is_file() and result.bundle == result.model_file
    assert "1 steps are no more than the warm-up of 2" in result.doubt
    again = train(recipe(), tmp_path, resume=True, budget=Budget(10, clock=clock), device="cpu")
    assert again.taken == 0


@pytest.mark.usefixtures("root")
def test_rows_are_logged_at_least_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, read_while_it_ran = Clock(), []
    slow(monkeypatch, clock, setup=0, recording=25, saving=0)

    class Reading(Stepping):
        def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
            super().stepped(step, share, losses)
            read_while_it_ran.append(len(rows(tmp_path)))

    more = ["train.validate_every=8", "valid.at_most=6", "train.steps=16"]
    train(recipe(*more), tmp_path, budget=Budget(1e6, clock=clock), device="cpu", watcher=Reading(clock, 20.0))
    moments = [row["seconds"] for row in rows(tmp_path)]
    # The first recording is measured twice before the first step, to know what the last validation will take.
    assert max(later - earlier for earlier, later in zip([50.0, *moments], moments, strict=False)) <= 60
    assert read_while_it_ran[7] >= 2  # nothing is buffered
    assert any("measured" in row for row in rows(tmp_path))


def test_a_message_is_due_after_a_long_silence() -> None:
    clock = Clock()
    pulse = Pulse(30, clock)
    clock.now += 29
    assert not pulse.due
    clock.now += 1
    assert pulse.due
    pulse.beat()
    assert not pulse.due


def test_without_a_budget_the_schedule_follows_the_steps() -> None:
    schedule = Schedule(10)
    schedule.expect("validation", 1e9)
    assert [schedule.share(step) for step in (0, 5, 10)] == [0.0, 0.5, 1.0]
    clock = Clock()
    first = Schedule(10, Budget(100, clock=clock), before=60)
    assert first.share(0) == pytest.approx(0.6)
    clock.now += 40
    assert first.share(0) == pytest.approx(1.0)


def test_the_learning_rate_has_a_warm_up_and_a_decay() -> None:
    config = TrainConfig(learning_rate=1.0, warmup=3)
    assert [learning_rate(config, step, 0.0) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert math.isclose(learning_rate(config, 3, 1.0), config.final_rate)
