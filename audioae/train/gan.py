"""Training two players: a critic that tells real from drawn, and the generator that it is to take for real."""

from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from audioae import terms
from audioae.data.mixer import Mixer
from audioae.denoisers.denoiser import Denoiser
from audioae.generators.losses import Verdict
from audioae.generators.network import Game, Generator
from audioae.recipe import PACKAGES
from audioae.settings.registry import find
from audioae.train.players import SCOUTED, Losses, Player, places

GROUPED = 160
"""Batches that a generator of groups sees before the first step: each group needs some images."""
MEMORY = 0.98
"""Of the running share of pairs that the critic gets right."""
MOST_LEVELS = 6
"""Of a pyramid; all other generators have one."""
WON = 0.995
"""Share beyond which the generator learns little more."""


class GamePlayer(Player):
    """Random numbers to images: the critic's turns come first, the generator's last."""

    def __init__(self, denoiser: Denoiser, rank: int) -> None:
        super().__init__(denoiser, rank)
        self.critic: nn.Module = find(self.recipe.model.kind, *PACKAGES).Critic(self.recipe.model)
        self.to(memory_format=torch.channels_last)  # two thirds of the time, on a CPU
        self.turns = self.recipe.train.critic_steps + 1
        self.shares = _Shares()

    @property
    def model(self) -> Generator:
        """The generator."""
        return cast(Generator, self.denoiser.model)

    @property
    def others(self) -> dict[str, nn.Module]:
        """The critic, which is in no bundle, and how it stands."""
        return {"critic": self.critic, "shares": self.shares}

    @property
    def alarms(self) -> list[str]:
        """What seems to go wrong in the game itself."""
        pyramid = hasattr(self.model, "levels")
        return [
            f"the critic{f' of level {level}' * pyramid} has won: it tells {share:.1%} of real and drawn apart; "
            "lower model.critic_widths or train.critic_steps, or give losses.real_gradient"
            for level, share in enumerate(self.shares.right.tolist())
            if share >= WON
        ]

    @torch.no_grad()
    def begin(self, mixer: Mixer) -> None:
        """Take the level of the first batches as the typical one, and let the generator see their images."""
        levels, images = [], []
        for index in range(GROUPED if self.model.groups is not None else SCOUTED):
            batch = mixer.batch(index, range(self.recipe.data.batch_size))
            spec = self.denoiser.transform(batch.rate)(batch.clean.to(self.denoiser.device))[:, 0]
            levels.append(self.model.image.level(spec))
            images.append(self.model.image(spec))
        self.model.image.fit(torch.cat(levels))
        self.model.begin_with(torch.cat(images), self.recipe.seed)

    def stage(self, step: int, turn: int = 0) -> None:
        """Train the critic or the generator, the other one frozen."""
        last = turn == self.turns - 1
        self.critic.requires_grad_(not last)
        self.denoiser.requires_grad_(last)

    def forward(
        self, noisy: Tensor, clean: Tensor, rate: int, step: int, labels: Sequence[str] = (), turn: int = 0
    ) -> Losses:
        """The loss of the player whose turn it is, over all of the generator's games, and its terms."""
        last = turn == self.turns - 1
        self.draw(step * self.turns + turn)
        real = self.model.image(self.denoiser.transform(rate)(clean)[:, 0])
        chosen: Tensor | None = None
        if self.model.config.classes:
            chosen = places(self.model.config.classes, labels, clean.device)
        elif self.model.groups is not None:
            chosen = self.model.groups(real)
        with torch.set_grad_enabled(last and torch.is_grad_enabled()):
            games = self.model.games(real, self.model.draw(len(real)).to(real), chosen)
        loss = real.new_zeros(())
        values: dict[str, Tensor] = {}
        for game in games:
            own, named = terms.total(self.recipe.losses, self._verdict(game, chosen, last))
            loss = loss + own
            name = "generator" if last else "critic"
            mark = f"_{game.level}" if len(games) > 1 else ""
            values |= {
                f"{name}_{term}{mark}": value for term, value in named.items() if not (last and term in terms.PENALTIES)
            }
        return loss, values

    def _verdict(self, game: Game, chosen: Tensor | None, last: bool) -> Verdict:
        critic = partial(self.critic, labels=chosen, level=game.level)
        if last:
            return Verdict(critic(game.fake))
        real, fake = critic(game.real), critic(game.fake)
        self.shares.add(game.level, real.detach(), fake.detach())
        share = game.real[0, 0].numel() / (self.model.config.rows * self.model.config.frames)
        return Verdict(fake, real, game.fake, game.real, critic, share)


class _Shares(nn.Module):
    """The running share of pairs that the critic gets right, for each level; in the checkpoint, with the other player."""

    right: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("right", torch.full((MOST_LEVELS,), 0.5))

    def add(self, level: int, real: Tensor, fake: Tensor) -> None:
        """Scores ``(B,)`` of either side; those that are not finite do not count."""
        if torch.isfinite(real).all() and torch.isfinite(fake).all():
            self.right[level].lerp_((real > fake).float().mean(), 1 - MEMORY)
