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
    """Weights of linear layers without a reduction in size; the last layer of a network usually has one."""
    linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    return [layer.weight for layer in linear if layer.out_features >= layer.in_features]


class MuonAdamW(torch.optim.AdamW):
    """Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) for groups marked
    ``orthogonal``, AdamW for the others, with one learning rate.

    An update of Muon is the momentum with all singular values set to about one, scaled to the RMS of AdamW's updates (Liu et
    al., "Muon is scalable for LLM training", 2025). The implementation in torch uses bfloat16, which many processors
    emulate: it took a fifth of a step of ``conv_dae``.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have gradients."""
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
                if not state:  # AdamW expects `step` in every state that it loads
                    state |= {"step": torch.tensor(0.0), "momentum": torch.zeros_like(weight)}
                state["step"] += 1
                momentum = state["momentum"]
                momentum.lerp_(gradient, 1 - MOMENTUM)
                direction = orthogonalised(gradient.lerp(momentum, MOMENTUM))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(direction, alpha=-0.2 * max(weight.shape) ** 0.5 * group["lr"])
                # AdamW skips parameters without gradients.
                taken.append((weight, gradient))
                weight.grad = None
        super().step()
        for weight, gradient in taken:
            weight.grad = gradient
        return loss


def orthogonalised(matrix: Tensor, iterations: int = 5) -> Tensor:
    """Set the singular values of ``(M, N)`` to about one, by Newton-Schulz iterations.

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
