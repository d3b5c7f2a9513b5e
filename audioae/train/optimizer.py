"""Optimisers: AdamW, or Muon for the matrices between layers and AdamW for the rest."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from audioae.recipe import TrainConfig

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration (Jordan et al. 2024)."""
MOMENTUM = 0.95


def optimizer_of(module: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser of a module's parameters by the recipe's ``train`` section; vectors do not decay."""
    muon = {id(p) for p in between_layers(module)} if config.optimizer == "muon" else set()
    groups: list[dict[str, Any]] = [
        {"params": [p for p in module.parameters() if id(p) in muon], "orthogonal": True},
        {"params": [p for p in module.parameters() if p.ndim >= 2 and id(p) not in muon]},
        {"params": [p for p in module.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    kind = MuonAdamW if config.optimizer == "muon" else torch.optim.AdamW
    used = [group for group in groups if group["params"]]
    return kind(used, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay)


def between_layers(module: nn.Module) -> list[Tensor]:
    """Weights of linear layers, but not of those that give few numbers for many, as the last one of a network does."""
    linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    return [layer.weight for layer in linear if layer.out_features >= layer.in_features]


class MuonAdamW(torch.optim.AdamW):
    """Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) for groups that are marked
    ``orthogonal``, AdamW for the others, under one learning rate.

    A step of Muon is the momentum with all its singular values brought near one, so that no direction of a matrix is left
    behind; its RMS is made that of AdamW's steps (Liu et al., "Muon is scalable for LLM training", 2025). The one in torch
    does the same in bfloat16, which processors without it emulate: it took a fifth of a step of ``conv_dae``.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step by the gradients that there are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        taken: list[tuple[nn.Parameter, Tensor]] = []
        for group in self.param_groups:
            if not group.get("orthogonal"):
                continue
            for weight in group["params"]:
                gradient = weight.grad
                if gradient is None:
                    continue
                state = self.state[weight]
                if not state:  # `step` is what AdamW looks for in every state that it loads
                    state |= {"step": torch.tensor(0.0), "momentum": torch.zeros_like(weight)}
                state["step"] += 1
                momentum = state["momentum"]
                momentum.lerp_(gradient, 1 - MOMENTUM)
                direction = orthogonalised(gradient.lerp(momentum, MOMENTUM))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(direction, alpha=-0.2 * max(weight.shape) ** 0.5 * group["lr"])
                # AdamW passes over what has no gradient.
                taken.append((weight, gradient))
                weight.grad = None
        super().step()
        for weight, gradient in taken:
            weight.grad = gradient
        return loss


def orthogonalised(matrix: Tensor, iterations: int = 5) -> Tensor:
    """``(M, N)`` with its singular vectors and singular values near one, by Newton-Schulz iterations.

    >>> torch.linalg.svdvals(orthogonalised(torch.diag(torch.tensor([1.0, 0.1])))).round(decimals=1)
    tensor([0.7000, 0.7000])
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp_min(1e-7)
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
