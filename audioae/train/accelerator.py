"""Devices, mixed precision and several processes. Only this module imports accelerate."""

import os
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from audioae.errors import RecipeError

DEVICES = ("auto", "cpu", "cuda", "mps")


class Parallel:
    """One of ``world`` training processes, which together compute the same as one process with the whole batch.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``. Under torchrun, each process uses its own GPU.
        precision: ``no``, ``bf16`` or ``fp16``.
        staged: some steps train a part of the model only.

    Raises:
        RecipeError: the device or the precision is not available.
    """

    def __init__(self, device: str, precision: str, staged: bool = False) -> None:
        if device not in DEVICES:
            raise RecipeError(f"device {device!r}: there are {', '.join(DEVICES)}")
        if device == "cuda" and not torch.cuda.is_available():
            raise RecipeError("device cuda: no CUDA GPU is available here: use --device auto or cpu")
        if device == "mps" and not torch.backends.mps.is_available():
            raise RecipeError("device mps: no Apple GPU is available here: use --device auto or cpu")
        cpu = device == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
        if cpu and precision == "fp16":
            raise RecipeError("train.precision fp16 needs a GPU: use `no` or `bf16` on a CPU")
        if cpu:
            os.environ.setdefault("ACCELERATE_USE_CPU", "true")
        # Accelerate keeps its precision for the whole process; an earlier training may have used another.
        AcceleratorState._reset_state()
        self.accelerator = Accelerator(
            cpu=cpu,
            mixed_precision=precision,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=staged)],
        )
        self.device: torch.device = self.accelerator.device
        if self.device.type == "cuda":
            # Matrix products in TF32, with 10 bits of mantissa, which is sufficient for gradients.
            torch.set_float32_matmul_precision("high")
        self.world: int = self.accelerator.num_processes
        self.rank: int = self.accelerator.process_index
        self.is_main: bool = self.accelerator.is_main_process

    def rows(self, batch_size: int) -> range:
        """Rows of the whole batch for this process.

        Raises:
            RecipeError: the batch cannot be shared evenly.
        """
        if batch_size % self.world:
            raise RecipeError(f"data.batch_size {batch_size} cannot be shared by {self.world} processes: use a multiple")
        return range(self.rank, batch_size, self.world)

    def prepare(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
        """The module on its device, gradients averaged over processes, and its optimizer."""
        return self.accelerator.prepare(module, optimizer)

    def forward_context(self) -> Any:
        """Mixed precision for a forward pass."""
        return self.accelerator.autocast()

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, scaled for half precision."""
        self.accelerator.backward(loss)

    def clip(self, module: nn.Module, norm: float) -> Tensor:
        """Clip the norm of the gradient; returns the norm before clipping."""
        return self.accelerator.clip_grad_norm_(module.parameters(), norm)

    def skip(self) -> None:
        """End a step with a gradient that is not finite, without an update.

        The gradient scaler of half precision must be updated in every step, and lowers its scale after an overflow.
        """
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.update()

    @property
    def scaler_state(self) -> dict[str, float] | None:
        """State of the gradient scaler of half precision; None without one."""
        return self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else None

    @scaler_state.setter
    def scaler_state(self, state: dict[str, float] | None) -> None:
        if self.accelerator.scaler is not None and state:
            self.accelerator.scaler.load_state_dict(state)

    def rolled(self, own: Tensor, shift: int) -> Tensor:
        """Roll the rows of the whole batch by ``shift`` and return those of this process.

        Args:
            own: the rows of this process, see :meth:`rows`.
            shift: equal in all processes, which must all call this.
        """
        if self.world == 1:
            return own.roll(shift, 0)
        dealt = self.accelerator.gather(own.contiguous()).unflatten(0, (self.world, len(own)))
        return dealt.transpose(0, 1).flatten(0, 1).roll(shift, 0)[self.rank :: self.world]

    def mean(self, value: Tensor) -> Tensor:
        """The mean over processes."""
        return self.accelerator.reduce(value, "mean") if self.world > 1 else value

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process, so that all stop at the same step."""
        if self.world == 1:
            return flag
        return bool(self.accelerator.reduce(torch.tensor(float(flag), device=self.device), "sum") > 0)

    def wait(self) -> None:
        """Wait for all processes."""
        self.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Leave the group of processes."""
        self.accelerator.end_training()
