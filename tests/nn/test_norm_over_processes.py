"""Batch normalisation whose batch is shared by two processes, against torch's own in float64 over the whole batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import batch_norm

from audioae.nn.norm import BatchNorm

PROGRAM = """
import sys
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from audioae.nn.norm import BatchNorm

folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
given = load_file(f"{folder}/given.safetensors")
norm = BatchNorm(4)
norm.momentum = 1.0
x = given["x"][rank::2].clone().requires_grad_(True)
y = norm(x)
(y * given["weights"][rank::2]).sum().backward()
made = {"y": y.detach(), "gradient": x.grad, "mean": norm.running_mean, "var": norm.running_var}
save_file(made, f"{folder}/{rank}.safetensors")
dist.destroy_process_group()
"""


def given(mean: float) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = mean + torch.tensor([1.0, 0.5, 0.1, 0.05]) * torch.randn(6, 50, 4, generator=draw)
    return x, torch.randn(6, 50, 4, generator=draw)


def wanted(x: torch.Tensor, weights: torch.Tensor) -> dict[str, torch.Tensor]:
    wide = x.double().requires_grad_(True)
    y = batch_norm(wide.flatten(0, 1), None, None, training=True).view_as(wide)
    (y * weights.double()).sum().backward()
    assert wide.grad is not None
    var = x.double().var((0, 1), unbiased=False)
    return {"y": y.detach(), "gradient": wide.grad, "mean": x.double().mean((0, 1)), "var": var}


def check(made: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, value in expected.items():
        # Numbers of 100 have steps of 8e-6 in float32, and the smallest deviation is 0.05.
        largest = value.abs().max()
        assert (made[name].double() - value).abs().max() < 2e-3 * largest, name


@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_a_large_mean_does_not_reduce_the_precision_of_the_variance(mean: float) -> None:
    x, weights = given(mean)
    norm = BatchNorm(4)
    norm.momentum = 1.0
    own = x.clone().requires_grad_(True)
    y = norm(own)
    (y * weights).sum().backward()
    assert own.grad is not None
    check({"y": y.detach(), "gradient": own.grad, "mean": norm.running_mean, "var": norm.running_var}, wanted(x, weights))


def test_half_precision_takes_its_statistics_in_single() -> None:
    x = (300 + 2 * torch.randn(4, 50, 4, generator=torch.Generator().manual_seed(0))).half()
    norm = BatchNorm(4)
    norm.momentum = 1.0
    assert torch.isfinite(norm(x)).all()
    torch.testing.assert_close(norm.running_var, x.float().var((0, 1), unbiased=False), rtol=1e-4, atol=0)


def test_two_processes_with_a_large_mean_are_one(tmp_path: Path) -> None:
    x, weights = given(100.0)
    save_file({"x": x, "weights": weights}, tmp_path / "given.safetensors")
    both = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path), str(rank)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    expected = wanted(x, weights)
    for rank in range(2):
        check(
            load_file(tmp_path / f"{rank}.safetensors"),
            {name: value[rank::2] if value.ndim == 3 else value for name, value in expected.items()},
        )
