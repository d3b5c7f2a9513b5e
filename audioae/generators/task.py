"""Adversarial training of a critic and a generator."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from audioae import task
from audioae.data.mixer import Mixer
from audioae.family import every_family, weighted_sum
from audioae.generators.evaluator import Evaluator, alarms, as_classifier, show
from audioae.generators.generator import Generator
from audioae.generators.losses import PENALTIES, CriticOutput
from audioae.generators.measures import GenerationReport
from audioae.generators.network import GeneratorNetwork, ImagePair
from audioae.recipe import Recipe, ValidConfig
from audioae.settings.registry import find
from audioae.task import SETUP_BATCHES, Loader, Losses, places

GROUPING_BATCHES = 160
"""Number of batches that are clustered into groups before the first step."""
MEMORY = 0.98
"""Decay of the running share of pairs that the critic ranks correctly."""
MOST_LEVELS = 6
"""Most levels of a pyramid; all other generators have one level."""
WON = 0.995
"""Share above which the generator hardly learns."""


class Task(task.Task):
    """Random numbers to images. In each step, the critic is updated first, then the generator."""

    model: Generator
    staged = True

    def __init__(self, model: Generator, recipe: Recipe, rank: int, load: Loader) -> None:
        super().__init__(model, recipe, rank, load)
        self.critic: nn.Module = find(recipe.model.kind, "generators.models").Critic(recipe.model)
        self.to(memory_format=torch.channels_last)  # saves a third of the time on a CPU
        self.turns = self.recipe.train.critic_steps + 1
        self.shares = _Shares()

    @property
    def network(self) -> GeneratorNetwork:
        """The network of the generator."""
        return self.model.network

    @property
    def others(self) -> dict[str, nn.Module]:
        """The critic and the running share that it ranks correctly; neither is in a model file."""
        return {"critic": self.critic, "shares": self.shares}

    @property
    def alarms(self) -> list[str]:
        """Signs that the adversarial training is out of balance."""
        pyramid = hasattr(self.network, "levels")
        return [
            f"the critic{f' of level {level}' * pyramid} has won: it tells {share:.1%} of real and drawn apart; "
            "lower model.critic_widths or train.critic_steps, or give losses.real_gradient"
            for level, share in enumerate(self.shares.right.tolist())
            if share >= WON
        ]

    @torch.no_grad()
    def begin(self, mixer: Mixer) -> None:
        """Set the typical level, and initialise the generator by the images of the first batches."""
        levels, images = [], []
        for index in range(GROUPING_BATCHES if self.network.groups is not None else SETUP_BATCHES):
            batch = mixer.batch(index, range(self.recipe.data.batch_size))
            spec = self.model.transform(batch.rate)(batch.clean.to(self.model.device))[:, 0]
            levels.append(self.network.image.level(spec))
            images.append(self.network.image(spec))
        self.network.image.fit(torch.cat(levels))
        self.network.begin_with(torch.cat(images), self.recipe.seed)

    def stage(self, step: int, turn: int = 0) -> None:
        """Freeze the critic or the generator and train the other."""
        last = turn == self.turns - 1
        self.critic.requires_grad_(not last)
        self.model.requires_grad_(last)

    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of the critic or the generator, over all pairs of images, and its terms."""
        last = turn == self.turns - 1
        self.seed(step * self.turns + turn)
        real = self.network.image(self.model.transform(rate)(clean)[:, 0])
        chosen: Tensor | None = None
        if self.network.config.classes:
            chosen = places(self.network.config.classes, labels, clean.device)
        elif self.network.groups is not None:
            chosen = self.network.groups(real)
        with torch.set_grad_enabled(last and torch.is_grad_enabled()):
            pairs = self.network.image_pairs(real, self.network.draw(len(real)).to(real), chosen)
        loss = real.new_zeros(())
        values: dict[str, Tensor] = {}
        for pair in pairs:
            own, named = weighted_sum(self.recipe.losses, (self._critic_output(pair, chosen, last),))
            loss = loss + own
            name = "generator" if last else "critic"
            mark = f"_{pair.level}" if len(pairs) > 1 else ""
            values |= {f"{name}_{term}{mark}": value for term, value in named.items() if not (last and term in PENALTIES)}
        return loss, values

    def _critic_output(self, pair: ImagePair, chosen: Tensor | None, last: bool) -> CriticOutput:
        critic = partial(self.critic, labels=chosen, level=pair.level)
        if last:
            return CriticOutput(critic(pair.fake))
        real, fake = critic(pair.real), critic(pair.fake)
        self.shares.add(pair.level, real.detach(), fake.detach())
        share = pair.real[0, 0].numel() / (self.network.config.rows * self.network.config.frames)
        return CriticOutput(fake, real, pair.fake, pair.real, critic, share)


class Validation(task.Validation):
    """Generators are measured on as many sounds as there are recordings."""

    def __init__(self, recipe: Recipe, load: Loader, config: ValidConfig | None = None) -> None:
        super().__init__(recipe, load, config)
        classifier = as_classifier(load(self.config.judge)) if self.config.judge else None
        self.evaluator = Evaluator([clean for _, clean in self.files], classifier)
        self.generated: tuple[GenerationReport, NDArray[np.float32]] | None = None

    def estimate(self, model: Any, clock: Callable[[], float] = time.monotonic) -> float:
        """Duration of :meth:`run` in seconds, measured by running it."""
        start = clock()
        self.run(model)
        return clock() - start

    def of_model(self, model: Generator) -> dict[str, float]:
        """Measures of generated sounds compared with real ones."""
        self.generated = self.evaluator.evaluate(model)
        self.alarms = alarms(self.generated[0])
        functions = every_family()["generators"].measures
        return {name: functions[name](self.generated[0]) for name in self.others}

    def show(self, folder: Path, name: str) -> None:
        """Write a grid of images and a few sounds of the last :meth:`run` to a folder.

        Raises:
            OutputError: the folder cannot be written.
        """
        if self.generated is not None:
            show(*self.generated, getattr(self.recipe.model, "rate", 0), folder, name)


class _Shares(nn.Module):
    """Running share of pairs that the critic ranks correctly, for each level; saved in the checkpoint."""

    right: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("right", torch.full((MOST_LEVELS,), 0.5))

    def add(self, level: int, real: Tensor, fake: Tensor) -> None:
        """Add scores ``(B,)`` of real and generated images; scores that are not finite are ignored."""
        if torch.isfinite(real).all() and torch.isfinite(fake).all():
            self.right[level].lerp_((real > fake).float().mean(), 1 - MEMORY)
