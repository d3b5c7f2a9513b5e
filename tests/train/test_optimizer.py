"""Muon beside AdamW: the same steps as torch's, the other parameters left to AdamW, and what `freeze_statistics` keeps."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from audioae.errors import ModelFileError, RecipeError
from audioae.recipe import Recipe, TrainConfig
from audioae.settings.config import load
from audioae.train.optimizer import between_layers, optimizer_of, orthogonalised
from audioae.train.trainer import train
from audioae.train.watcher import Watcher

SMALL = [
    "data.seconds=0.5",
    "data.memory_mb=200",
    "valid.at_most=1",
    "train.warmup=2",
    "model.channels=8",
    "model.dilations=[1, 2]",
]


def recipe(*overrides: str) -> Recipe:
    return load(Recipe, "recipes/conv_dae.yaml", [*SMALL, *overrides])


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.hidden, self.last = nn.Linear(6, 24), nn.Linear(24, 24), nn.Linear(24, 2)
        self.place = nn.Parameter(torch.randn(5, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.hidden(torch.relu(self.first(x + self.place)))))


def steps(net: nn.Module, *optimizers: torch.optim.Optimizer) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        loss = net(torch.randn(3, 5, 6, generator=generator)).square().mean()
        net.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()


def test_steps_are_those_of_torchs_muon_and_adamw() -> None:
    mine, theirs, before = Net(), Net(), Net()
    config = TrainConfig(optimizer="muon", learning_rate=0.01, weight_decay=0.1)
    steps(mine, optimizer_of(mine, config))
    matrices = [theirs.first.weight, theirs.hidden.weight]
    muon = torch.optim.Muon(matrices, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    rest = [theirs.last.weight, theirs.place]
    biases = [theirs.first.bias, theirs.hidden.bias, theirs.last.bias]
    groups = [{"params": rest}, {"params": biases, "weight_decay": 0.0}]
    steps(theirs, muon, torch.optim.AdamW(groups, lr=0.01, betas=config.betas, weight_decay=0.1))
    for (name, one), two, start in zip(mine.named_parameters(), theirs.parameters(), before.parameters(), strict=True):
        moved = (two - start).norm()
        # torch computes in bfloat16, which has eight bits.
        assert (one - two).norm() < 0.1 * moved, name
        assert moved > 0


def test_adamw_is_torchs_and_the_default() -> None:
    mine, theirs = Net(), Net()
    steps(mine, optimizer_of(mine, TrainConfig(learning_rate=0.01)))
    decaying = [p for p in theirs.parameters() if p.ndim > 1]
    groups = [{"params": decaying}, {"params": [p for p in theirs.parameters() if p.ndim < 2], "weight_decay": 0.0}]
    steps(theirs, torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.98), weight_decay=0.01))
    assert all(torch.equal(one, two) for one, two in zip(mine.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("shape", [(24, 24), (48, 8), (8, 48)])
def test_updates_of_muon_have_equal_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * torch.logspace(0, -1, shape[1])
    found = torch.linalg.svdvals(orthogonalised(matrix))
    assert found.min() > 0.3 and found.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inside = left.T @ orthogonalised(matrix) @ right.T
    assert torch.allclose(inside, torch.diag(inside.diagonal()), atol=1e-3)


def test_muon_is_used_for_hidden_layers_only() -> None:
    net = Net()
    assert [id(p) for p in between_layers(net)] == [id(net.first.weight), id(net.hidden.weight)]


def test_the_optimizer_continues_from_its_state() -> None:
    config = TrainConfig(optimizer="muon", learning_rate=0.01)
    whole, parts = Net(), Net()
    optimizer = optimizer_of(whole, config)
    steps(whole, optimizer)
    first = optimizer_of(parts, config)
    steps(parts, first)
    second = optimizer_of(parts, config)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    steps(whole, optimizer)
    steps(parts, second)
    assert all(torch.equal(one, two) for one, two in zip(whole.parameters(), parts.parameters(), strict=True))


@pytest.mark.usefixtures("root")
def test_a_training_with_muon_and_frozen_statistics_resumes(tmp_path: Path, impatient: Callable[[int], Watcher]) -> None:
    train(recipe("train.steps=3"), tmp_path / "start", device="cpu")
    begun = load_file(tmp_path / "start/last.safetensors")
    options = [f"train.init={tmp_path}/start/last.safetensors", "train.optimizer=muon", "train.freeze_statistics=true"]
    tuned = recipe("train.steps=6", *options)
    train(tuned, tmp_path / "whole", device="cpu")
    assert train(tuned, tmp_path / "parts", device="cpu", watcher=impatient(3)).interrupted
    train(tuned, tmp_path / "parts", resume=True, device="cpu")
    for name in ("last", "checkpoint"):
        one, two = (load_file(tmp_path / f"{run}/{name}.safetensors") for run in ("whole", "parts"))
        assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    whole = load_file(tmp_path / "whole/last.safetensors")
    assert any("running_" in name for name in begun)
    # The moving average of equal numbers is equal except for rounding.
    frozen = {name: torch.allclose(begun[name], whole[name], atol=1e-6) for name in begun if "batches" not in name}
    assert all(same == ("running_" in name) for name, same in frozen.items())


def test_frozen_statistics_need_initial_weights() -> None:
    with pytest.raises(RecipeError, match="`freeze_statistics` needs `init`"):
        recipe("train.freeze_statistics=true")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("before", "after"), [("adamw", "muon"), ("muon", "adamw")])
def test_a_training_cannot_be_resumed_by_another_optimizer(before: str, after: str, tmp_path: Path) -> None:
    train(recipe("train.steps=1", f"train.optimizer={before}"), tmp_path, device="cpu")
    with pytest.raises(ModelFileError, match=f"`train.optimizer: {before}`, not {after}: resume with .*={before}") as told:
        train(recipe("train.steps=2", f"train.optimizer={after}"), tmp_path, resume=True, device="cpu")
    assert "\n" not in str(told.value)
    assert train(recipe("train.steps=2", f"train.optimizer={before}"), tmp_path, resume=True, device="cpu").taken == 1
