"""Base of denoisers that multiply the noisy spectrum by a mask."""

import torch
from torch import Tensor

from audioae.denoisers.layers.offset import OffsetRemoval
from audioae.nn.causal import delay_spectrum
from audioae.nn.spectral import link, two_parts
from audioae.nn.trained import SpectralNetwork, State
from audioae.signal.bands import BandLayout


class Masking(SpectralNetwork):
    """A network that multiplies the noisy spectrum by its :meth:`mask`, equal for all channels.

    Args:
        layout: bands of the features and the mask.
        offset_window: frames over which a constant offset is averaged for removal; 0 to keep it.
        hops: number of hops per frame.
    """

    def __init__(self, layout: BandLayout, offset_window: int, hops: int) -> None:
        super().__init__()
        self.layout = layout
        self.offset = OffsetRemoval(offset_window, hops - 1) if offset_window else None

    def offset_state(self, batch: int, channels: int, like: Tensor) -> State:
        """The state of :meth:`without_offset`; empty if offsets are kept."""
        return {} if self.offset is None else {"offset": self.offset.past(batch, channels, like)}

    def without_offset(self, parts: Tensor, state: State, after: State) -> Tensor:
        """Remove an offset from real and imaginary parts ``(B, C, T, 2, F)``; the next state is added to ``after``."""
        if self.offset is None:
            return parts
        offset, after["offset"] = self.offset(parts, state["offset"])
        return torch.stack([parts[..., 0, :] - offset, parts[..., 1, :]], dim=-2)

    def mask(self, parts: Tensor, state: State) -> tuple[Tensor, State]:
        """Real and imaginary parts of the linked spectrum ``(B, T, 2, F)`` to those of the mask, and the state after it."""
        raise NotImplementedError

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it.

        The result is delayed by :attr:`delay` frames.
        """
        before: State = {}
        if self.offset is not None:
            parts = self.without_offset(two_parts(spec), state, before)
            spec = torch.view_as_complex(parts.permute(0, 1, 4, 2, 3).contiguous())
        mask, after = self.mask(link(two_parts(spec)), state)
        after |= before
        if self.delay:
            spec, after["noisy"] = delay_spectrum(spec, state["noisy"])
        return spec * torch.complex(*mask.unbind(2)).transpose(1, 2).unsqueeze(1), after
