"""Squared Frobenius norm of an encoder's Jacobian, exact for one dense layer and estimated for any other."""

from collections.abc import Callable

import torch
from torch import Tensor


def dense_norm(weight: Tensor, preactivation: Tensor, activate: Callable[[Tensor], Tensor]) -> Tensor:
    """Exact norm ``(B,)`` for ``code = activate(weight @ x + bias)`` (Rifai et al., "Contractive auto-encoders", 2011).

    Gradients pass to the encoder's weights if gradients are enabled.

    Args:
        weight: ``(D, M)``.
        preactivation: ``weight @ x + bias``, ``(B, D)``.
        activate: elementwise activation; its derivative is computed by autograd.

    >>> dense_norm(torch.eye(3), torch.zeros(1, 3), torch.sigmoid).item()  # derivative 1/4 at 0
    0.1875
    """
    graph = torch.is_grad_enabled()
    with torch.enable_grad():
        before = preactivation if preactivation.requires_grad else preactivation.detach().requires_grad_()
        (slope,) = torch.autograd.grad(activate(before).sum(), before, create_graph=graph)
    return slope.square() @ weight.square().sum(1)


def hutchinson_norm(encode: Callable[[Tensor], Tensor], x: Tensor, probes: int) -> Tensor:
    """Unbiased estimate ``(B,)``: the mean of ``|v J|^2`` over random signs ``v`` (Hutchinson 1990).

    Gradients pass to the encoder's weights if gradients are enabled.

    Args:
        encode: ``x`` to codes ``(B, D)``, each depending on its own row of ``x`` only.
        x: ``(B, ...)``.
        probes: number of random vectors.
    """
    graph = torch.is_grad_enabled()
    with torch.enable_grad():
        inputs = x.detach().requires_grad_()
        code = encode(inputs)
        total = x.new_zeros(len(x))
        for _ in range(probes):
            signs = torch.randint(0, 2, code.shape, device=code.device).to(code) * 2 - 1
            (row,) = torch.autograd.grad(code, inputs, signs, create_graph=graph, retain_graph=True)
            total = total + row.flatten(1).square().sum(1)
    return total / probes
