"""Steps that are exported as ONNX: one frame of a denoiser, as a spectrum or as samples, with the state as input and output.

All numbers are real, because ONNX has no complex ones.
"""

import copy
from collections import defaultdict
from typing import Any, cast

import torch
from torch import Tensor, nn

from audioae.denoisers.denoiser import Denoiser
from audioae.denoisers.layers.masking import Masking
from audioae.denoisers.layers.residual import ResidualBlock
from audioae.denoisers.layers.shared_past import SharedPast, SingleFrameBlock
from audioae.nn.causal import delay
from audioae.nn.spectral import link
from audioae.nn.trained import State
from audioae.signal.matrix_fourier import MatrixFourier

CHANNELS = 2
"""C of the example, because the exporter treats a size of one as constant."""


class Step(nn.Module):
    """One frame of a network that gives a mask.

    The states of residual blocks with similar receptive fields are combined into one tensor.

    Args:
        model: the network.
        bins: F.

    Attributes:
        state: initial state of two streams, because the exporter treats a size of one as constant.
    """

    def __init__(self, model: Masking, bins: int) -> None:
        super().__init__()
        self.model: Any = copy.deepcopy(model)
        modules, together = dict(model.named_modules()), defaultdict[str, list[str]](list)
        state = model.initial_state(2, CHANNELS, bins)
        for name in state:
            if isinstance(block := modules.get(name), ResidualBlock):
                # Receptive fields are grouped by factors of four.
                group, late = (block.time.dilation.bit_length() - 1) // 2, "late." * bool(block.delay)
                together[f"{name.rpartition('blocks.')[0]}past.{late}{group}"].append(name)
        self.together = dict(together)
        self.pasts = nn.ModuleList(SharedPast([modules[n] for n in names]) for names in together.values())
        joined = [name for names in together.values() for name in names]
        for name in joined:
            self.model.set_submodule(name, SingleFrameBlock(modules[name]))
        self.state = {name: value for name, value in state.items() if name not in joined}
        if "noisy" in state:
            self.state["noisy"] = state["noisy"].transpose(3, 4).contiguous()  # (B, delay, C, 2, F)
        for (name, members), past in zip(self.together.items(), self.pasts, strict=True):
            self.state[name] = cast(SharedPast, past).zeros(state[members[0]])

    def clean(self, parts: Tensor, state: State) -> tuple[Tensor, State]:
        """Real and imaginary parts ``(B, C, 2, F)``, noisy to clean, and the new rows of the state."""
        before: dict[str, Any] = dict(state)
        for (name, members), past in zip(self.together.items(), self.pasts, strict=True):
            before |= zip(members, past(before[name]), strict=True)
        own: State = {}
        parts = self.model.without_offset(parts.unsqueeze(2), before, own)[:, :, 0]
        mask, after = self.model.mask(link(parts.unsqueeze(2)), before)
        after |= own
        if "noisy" in before:
            late, after["noisy"] = delay(parts.unsqueeze(1), before["noisy"])
            parts = late[:, 0]
        for name, members in self.together.items():
            after[name] = torch.cat([after[member] for member in members], dim=1)
        mask_real, mask_imag = mask.split(1, dim=2)  # (B, 1, 1, F), the same for all channels
        real, imag = parts.split(1, dim=2)
        clean = parts * mask_real + torch.cat([-imag, real], dim=2) * mask_imag
        return clean, {name: after[name] for name in self.state}


class SpectrumStep(nn.Module):
    """A frame as a spectrum: noisy ``(B, C, F, 2)`` and the state to the clean one and the new rows of the state.

    Args:
        denoiser: of one network.
        rate: Hz.
    """

    def __init__(self, denoiser: Denoiser, rate: int) -> None:
        super().__init__()
        bins = denoiser.transform(rate).bins
        self.step = Step(cast(Masking, denoiser.network), bins)
        self.state, self.example = self.step.state, torch.zeros(2, CHANNELS, bins, 2, device=denoiser.device)

    def forward(self, spectrum: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """One frame."""
        clean, after = self.step.clean(spectrum.transpose(2, 3), dict(zip(self.state, state, strict=True)))
        return clean.transpose(2, 3), *after.values()


class WaveStep(nn.Module):
    """A frame as the samples of one hop: noisy ``(B, C, hop)`` and the state to clean samples and the next state.

    The transform and its inverse are matrix products. The members of an ensemble run on the same samples, and results
    with less delay are delayed to match the slowest.

    Args:
        denoiser: of one network or several.
        rate: Hz.
    """

    def __init__(self, denoiser: Denoiser, rate: int) -> None:
        super().__init__()
        self.members = nn.ModuleList()
        self.state: State = {}
        members = denoiser.members or [denoiser]
        hop, most = denoiser.hop(rate), max(member.transform(rate).late for member in members)
        for number, own in enumerate(members):
            member = _Member(own, rate, (denoiser.delay(rate) - own.delay(rate)) // hop)
            member.prefix = f"{number}." if denoiser.members else ""
            self.members.append(member)
            self.state |= {member.prefix + name: value for name, value in member.state.items()}
        self.example = torch.zeros(2, CHANNELS, hop, device=denoiser.device)
        self.state["hops"] = self.example.new_zeros(2, most, CHANNELS, hop)

    def forward(self, samples: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """One hop."""
        before = dict(zip(self.state, state, strict=True))
        hops = torch.cat([before["hops"], samples.unsqueeze(1)], dim=1)
        cleaned, after = [], {"hops": samples.unsqueeze(1)}
        for member in cast(list[_Member], self.members):
            own = {name: before[member.prefix + name] for name in member.state}
            result, later = member(hops, own)
            cleaned.append(result)
            after |= {member.prefix + name: value for name, value in later.items()}
        clean = cleaned[0] if len(cleaned) == 1 else torch.stack(cleaned).mean(0)
        after = {name: _moved(before[name], new) for name, new in after.items()}
        return clean, *(after[name] for name in self.state)


class _Member(nn.Module):
    """One network with its transform.

    Args:
        denoiser: of one network.
        rate: Hz.
        wait: hops by which its result is delayed.
    """

    window: Tensor
    dual: Tensor
    prefix = ""

    def __init__(self, denoiser: Denoiser, rate: int, wait: int) -> None:
        super().__init__()
        stft = denoiser.transform(rate)
        self.hop, self.late, self.before = stft.hop, stft.late, (stft.late + 1) * stft.hop - stft.n_fft
        self.register_buffer("window", stft.window, persistent=False)
        self.register_buffer("dual", stft.dual, persistent=False)
        self.fourier = MatrixFourier(stft.n_fft).to(denoiser.device)
        self.step = Step(cast(Masking, denoiser.network), stft.bins)
        self.state = dict(self.step.state)
        self.state["overlap"] = stft.window.new_zeros(2, stft.late, CHANNELS, stft.hop)
        if wait:
            self.state["wait"] = stft.window.new_zeros(2, wait, CHANNELS, stft.hop)

    def forward(self, hops: Tensor, state: State) -> tuple[Tensor, State]:
        """The hops of the longest frame ``(B, late + 1, C, hop)`` to a clean one ``(B, C, hop)``."""
        frame = hops[:, hops.shape[1] - self.late - 1 :].transpose(1, 2).flatten(2)[..., self.before :]
        parts, after = self.step.clean(self.fourier(frame * self.window), {name: state[name] for name in self.step.state})
        made = self.fourier.inverse(parts) * self.dual
        made = nn.functional.pad(made, (self.before, 0)).unflatten(-1, (-1, self.hop)).transpose(1, 2)
        total = made + nn.functional.pad(state["overlap"], (0, 0, 0, 0, 0, 1))
        after["overlap"] = total[:, 1:]
        clean = total[:, :1]
        if "wait" in state:
            clean, after["wait"] = delay(clean, state["wait"])
        return clean[:, 0], after


def _moved(queue: Tensor, new: Tensor) -> Tensor:
    """The next state: new rows are appended, as many are removed at the front."""
    count = new.shape[1]
    return new if count == queue.shape[1] else torch.cat([queue[:, count:], new], dim=1)
