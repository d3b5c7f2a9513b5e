"""Training of denoisers: noisy wave to clean wave, or towards a teacher's result."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from audioae import task
from audioae.denoisers.denoiser import Denoiser
from audioae.denoisers.losses import temporal
from audioae.denoisers.spectra import shared
from audioae.denoisers.teacher import Teacher
from audioae.family import weighted_sum
from audioae.recipe import Recipe
from audioae.settings.registry import public_functions
from audioae.task import Loader, Losses

LEVEL = 0.1
"""RMS that the noisy input is scaled to before the losses."""
SAMPLE_BY_SAMPLE = frozenset(public_functions(temporal))
"""Losses on samples, for which the teacher's result may be a part of the target."""


class Task(task.Task):
    """Noisy wave to clean wave."""

    model: Denoiser

    def __init__(self, model: Denoiser, recipe: Recipe, rank: int, load: Loader) -> None:
        super().__init__(model, recipe, rank, load)
        train = recipe.train
        self.teacher = Teacher(load(train.teacher), train.teacher_share) if train.teacher else None

    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of one batch ``(B, 1, N)`` and its terms."""
        scale = LEVEL / noisy.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-5)
        estimate = self.model.clean(noisy, rate)
        with torch.autocast(noisy.device.type, enabled=False), shared():
            target = teacher_target = clean * scale
            if self.teacher is not None:
                teacher_target = self.teacher.target(noisy, clean, rate) * scale
            estimate = estimate.float() * scale

            def arguments(loss: str) -> tuple[Any, ...]:
                return estimate, teacher_target if loss in SAMPLE_BY_SAMPLE else target, rate

            return weighted_sum(self.recipe.losses, arguments)


class Validation(task.Validation):
    """Denoisers have no measures other than those of waves."""
