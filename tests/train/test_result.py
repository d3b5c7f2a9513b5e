"""A training that learnt nothing is reported."""

import errno
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from audioae.errors import OutputError
from audioae.recipe import Recipe
from audioae.settings.config import load
from audioae.train.checkpoint import Progress
from audioae.train.log import Log, read_log
from audioae.train.result import doubt


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("progress", "noisy", "words"),
    [
        (Progress(20, best=9.0), 3.0, "20 steps are no more than the warm-up of 20"),
        (Progress(21, best=9.0), 3.0, ""),
        (Progress(21, best=2.9), 3.0, "si_sdr is 2.9, no better than the 3 of the unprocessed input"),
        (Progress(21, best=9.0), None, ""),
        (Progress(21, skipped=21, best=9.0), 3.0, "no step had a finite gradient"),
    ],
)
def test_reasons_for_doubt_are_given(progress: Progress, noisy: float | None, words: str) -> None:
    recipe = load(Recipe, "recipes/conv_dae.yaml", ["train.warmup=20", "valid.best=si_sdr", "valid.measures=[si_sdr]"])
    told = doubt(recipe, progress, {} if noisy is None else {"si_sdr": noisy})
    assert told.startswith(words) and bool(told) == bool(words)


@pytest.mark.usefixtures("root")
def test_a_smaller_distance_is_better_and_no_steps_are_no_training() -> None:
    name = "log_spectral_distance"
    recipe = load(Recipe, "recipes/conv_dae.yaml", ["train.warmup=0", f"valid.best={name}", f"valid.measures=[{name}]"])
    assert doubt(recipe, Progress(5, best=6.0), {name: 7.0}) == ""
    assert "no better" in doubt(recipe, Progress(5, best=8.0), {name: 7.0})
    none = recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": 0})})
    assert doubt(none, Progress(0, best=8.0), {name: 7.0}) == ""


def test_a_log_that_cannot_be_closed_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard writes the last events when it is closed."""

    def full(self: SummaryWriter) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    log = Log(tmp_path, 0)
    log.write({"step": 1, "loss": 2.0})
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="cannot write: No space left on device"):
        patch.setattr(SummaryWriter, "close", full)
        log.close()
    assert read_log(tmp_path / "log.jsonl") == [{"step": 1, "loss": 2.0}]
