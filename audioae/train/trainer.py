"""The training loop: setup, steps of a task, validation, checkpoints."""

import contextlib
import copy
import math
import time
from pathlib import Path
from typing import Any

import torch

from audioae.data.gather import Sources
from audioae.data.loader import batches, lost_worker
from audioae.data.mixer import Batch, Mixer
from audioae.data.remix import remixed
from audioae.errors import RecipeError
from audioae.family import every_family, is_better
from audioae.modelfile import load, save_model
from audioae.nn.norm import BatchNorm
from audioae.recipe import Recipe
from audioae.settings.config import dump
from audioae.system import threads
from audioae.task import Task, Validation
from audioae.train import checkpoint, folder
from audioae.train.accelerator import Parallel
from audioae.train.checkpoint import Progress
from audioae.train.folder import BEST, CHECKPOINT, LAST, SAMPLES
from audioae.train.log import Log, RunningMean
from audioae.train.optimizer import optimizer_of
from audioae.train.result import Result, doubt
from audioae.train.schedule import Budget, Pulse, Schedule, learning_rate
from audioae.train.stop import Stop
from audioae.train.watcher import Watcher
from audioae.train.weights import begin_with, blend, select

MOST_SKIPPED = 100
"""Consecutive steps without a finite gradient after which a training fails."""
LONGEST_SILENCE = 30.0
"""Seconds after which a row is logged regardless of ``train.log_every``."""


def train(
    recipe: Recipe,
    out: Path,
    resume: bool = False,
    budget: Budget | float | None = None,
    device: str = "auto",
    watcher: Watcher | None = None,
) -> Result:
    """Train a model by its recipe.

    Args:
        recipe: the recipe.
        out: folder for model files, checkpoint, log and picture; created if missing.
        resume: continue from the checkpoint in ``out``.
        budget: wall time in seconds over all runs of a resumed training, to which the schedule is fitted. It starts with
            this call, or as given by a :class:`~audioae.train.schedule.Budget`.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        watcher: observer of the training.

    Raises:
        RecipeError: the recipe needs hardware that is not available, or the training diverges.
        DataError: unusable data.
        OutputError: ``out`` cannot be written; or it contains a training, without ``resume``, or none, with it.
        ModelFileError: a checkpoint or initial weights of another model.
    """
    if isinstance(budget, int | float):
        budget = Budget(budget)
    before = torch.get_num_threads()
    torch.set_num_threads(recipe.train.threads or threads.training_threads(recipe.train.workers))
    try:
        run = _Run(recipe, out, resume, budget, device, watcher)
        try:
            return run.fit()
        finally:
            run.close()
    finally:
        torch.set_num_threads(before)


class _Run:
    def __init__(
        self, recipe: Recipe, out: Path, resume: bool, budget: Budget | None, device: str, watcher: Watcher | None
    ) -> None:
        self.recipe, self.out, self.watcher = recipe, out, watcher
        self.schedule = Schedule(recipe.train.steps, budget)
        family = every_family()[recipe.model.family]
        task_class: type[Task] = family.module("task").Task
        self.parallel = Parallel(device, recipe.train.precision, staged=bool(recipe.train.stages) or task_class.staged)
        self.rows = self.parallel.rows(recipe.data.batch_size)
        # First, because errors here should come before minutes of reading recordings.
        self.validation: Validation = family.module("task").Validation(recipe, load)
        self.mixer = Mixer(recipe.data, recipe.seed, Sources.of(recipe.data), recipe.train.workers)
        torch.manual_seed(recipe.seed)
        self.model = family.model_class(recipe.model, out.name)
        self.model.recipe_text = dump(recipe)
        if recipe.train.init:
            begin_with(self.model, recipe)
            select(self.model, recipe.train.only)
        self.average = copy.deepcopy(self.model).requires_grad_(False).eval().to(self.parallel.device)
        self.task = task_class(self.model, recipe, self.parallel.rank, load).to(self.parallel.device)
        optimizer = optimizer_of(self.task, recipe.train)
        self.modules = {"model": self.model.network, "average": self.average.network, **self.task.others}
        self.progress = Progress()
        folder.prepare(out, resume)
        if resume:
            self.progress = checkpoint.restore(out / CHECKPOINT, recipe, self.modules, optimizer)
            self.schedule.before = self.progress.seconds
            self.parallel.scaler_state = self.progress.scaler
        if not resume and not recipe.train.init:
            self.task.begin(self.mixer)
            self.average.load_state_dict(self.model.state_dict())
        self.module, self.optimizer = self.parallel.prepare(self.task, optimizer)
        self.figures: dict[str, float] = {}
        self.log = None
        if self.parallel.is_main:
            folder.note_recipe(out, recipe)
            self.log = Log(out, self.progress.step)
        self._first = self.progress.step
        # A new training takes one step even if the budget is too small.
        self._least = 0 if resume else 1
        self._unlucky = 0
        clock = time.monotonic if budget is None else budget.clock
        self.pulse = Pulse(LONGEST_SILENCE, clock)
        if budget is not None:
            self.schedule.expect("validation", self.validation.estimate(self.average, clock))

    def fit(self) -> Result:
        """Train until the last step, the end of the budget or a signal; the weights are saved in any case."""
        if self.watcher and self.parallel.is_main:
            parameters = sum(p.numel() for p in self.model.parameters())
            self.watcher.started(self.recipe, parameters, self.mixer.sources, self.validation.noisy)
        with Stop() as stop:
            try:
                interrupted = self._steps(stop)
            except Exception as error:
                self._rescue()
                if lost := lost_worker(error):
                    raise lost from error
                raise
            self._save()
        taken = self.progress.step - self._first
        why = "" if interrupted else doubt(self.recipe, self.progress, self.validation.noisy)
        return Result(self.progress, self.figures, interrupted, taken, self.out / BEST, self.parallel.is_main, why)

    def _steps(self, stop: Stop) -> bool:
        """Train and validate; returns whether a signal ended the training."""
        config, progress = self.recipe.train, self.progress
        interrupted = False
        recent = RunningMean()
        validated_at = -1
        for batch in batches(self.mixer, self.rows, progress.step, config.steps, config.workers):
            share = self._share()
            if share >= 1 and progress.step - self._first >= self._least:
                break
            if interrupted := self.parallel.any(stop.requested):
                break
            rate = learning_rate(config, progress.step, share)
            if batch.skipped and not batch.turn and self.watcher and self.parallel.is_main:
                self.watcher.skipped(batch.skipped)
            with self.schedule.timed("step", latest=True):
                losses, norm = self._step(batch, rate)
                progress.step += 1
                recent.add(losses)
                if self.watcher and self.parallel.is_main:
                    self.watcher.stepped(progress.step, share, recent.values)
            if progress.step % config.log_every == 0 or self.pulse.due:
                speed = self._audio_per_second()
                row = {"learning_rate": rate, "gradient_norm": norm, "skipped": progress.skipped, "audio_per_second": speed}
                self._note(row | {"losses": dict(recent.values)})
            if progress.step % config.validate_every == 0:
                self._validate()
                validated_at = progress.step
            if progress.step % config.checkpoint_every == 0:
                self._save()
        if validated_at != progress.step:
            self._validate()
        return interrupted

    def close(self) -> None:
        """End the log and leave the other processes."""
        try:
            if self.log:
                self.log.close()
        finally:
            self.parallel.close()

    def _share(self) -> float:
        """Share of the training that is done, equal in all processes, which must all call this."""
        self.progress.seconds = self.schedule.seconds
        share = self.schedule.share(self.progress.step)
        if self.schedule.limit is None:
            return share
        return float(self.parallel.mean(torch.tensor(share, device=self.parallel.device)))

    def _note(self, row: dict[str, Any]) -> None:
        """Write a row of the log."""
        if self.log:
            self.pulse.beat()
            self.log.write({"step": self.progress.step, "seconds": round(self.schedule.seconds, 1), **row})

    def _measuring(self, done: int, of: int) -> None:
        """Report the progress of a validation."""
        if self.watcher:
            self.watcher.measuring(self.progress.step, done, of)
        if self.pulse.due:
            self._note({"measured": done, "of": of})

    def _audio_per_second(self) -> float:
        data = self.recipe.data
        return round(self.progress.step * data.batch_size * data.seconds / max(self.progress.seconds, 1e-3), 1)

    def _step(self, batch: Batch, learning_rate: float) -> tuple[dict[str, float], float]:
        config = self.recipe.train
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        noisy, clean = (side.to(self.parallel.device) for side in (batch.noisy, batch.clean))
        noisy, clean = remixed(noisy, clean, batch.turn, self.recipe.data.batch_size, self.parallel.rolled)
        self.module.train()
        if config.freeze_statistics:
            for layer in self.module.modules():
                if isinstance(layer, BatchNorm):
                    layer.eval()
        losses: dict[str, float] = {}
        norm = 0.0
        for turn in range(self.task.turns):
            self.task.stage(self.progress.step, turn)
            with self.parallel.forward_context():
                loss, values = self.module(noisy, clean, batch.rate, self.progress.step, batch.labels, turn)
            self.optimizer.zero_grad(set_to_none=True)
            self.parallel.backward(loss)
            norm = float(self.parallel.clip(self.module, config.clip_norm))
            losses |= {"loss": float(loss.detach()), **{k: float(v) for k, v in values.items()}}
            if not math.isfinite(norm):
                self._skip()
                return losses, norm
            self.optimizer.step()
        self._unlucky = 0
        blend(self.average, self.model, config.ema, self.progress.step)
        return losses, norm

    def _skip(self) -> None:
        self.parallel.skip()
        self.progress.skipped += 1
        self._unlucky += 1
        if self._unlucky >= MOST_SKIPPED:
            raise RecipeError(
                f"the training diverged: {MOST_SKIPPED} steps in a row without a finite gradient; "
                f"lower train.learning_rate, or go back to {self.out / LAST}"
            )
        # Running statistics may have become non-finite.
        for mine, good in zip(self.model.buffers(), self.average.buffers(), strict=True):
            if not torch.isfinite(mine).all():
                mine.copy_(good)

    def _validate(self) -> None:
        with self.schedule.timed("validation"):
            if self.parallel.is_main:
                self._measure()
            self.parallel.wait()

    def _measure(self) -> None:
        self.figures = self.validation.run(self.average, self._measuring)
        value = self.figures[self.recipe.valid.best]
        best = is_better(self.recipe.valid.best, value, self.progress.best) or self.progress.best is None
        if best:
            self.progress.best = value
            save_model(self.out / BEST, self.average, self.figures)
        self.validation.show(self.out / SAMPLES, f"{self.progress.step:06d}")
        self._note({"valid": self.figures})
        if self.log:
            self.log.draw()
        if self.watcher:
            self.watcher.validated(self.progress.step, self.figures, best)
        for why in [*self.validation.alarms, *self.task.alarms]:
            self._note({"alarm": why})
            if self.watcher:
                self.watcher.alarmed(self.progress.step, why)

    def _save(self) -> None:
        with self.schedule.timed("saving"):
            if self.parallel.is_main:
                self._write()
            self.parallel.wait()

    def _write(self) -> None:
        self.progress.scaler = self.parallel.scaler_state
        checkpoint.save(self.out / CHECKPOINT, self.recipe, self.modules, self.optimizer, self.progress)
        save_model(self.out / LAST, self.average, self.figures)

    def _rescue(self) -> None:
        """Save after an error without waiting for other processes, unless no step was taken or the training diverged."""
        if self.parallel.is_main and self.progress.step > self._first and self._unlucky < MOST_SKIPPED:
            # The original error is more important than one of saving.
            with contextlib.suppress(Exception):
                self._write()
