"""Base of denoisers that multiply the noisy spectrum by a mask."""

import torch
from torch import Tensor

from audioae.denoisers.layers.offset import OffsetRemoval
from audioae.nn.causal import delay_spectrum
from audioae.nn.spectral import link, two_parts
from audioae.nn.trained import SpectralNetwork, State
from audioae.signal.bands import BandLayout


class Masking(SpectralNetwork):
    """A network whose :meth:`mask` is laid on the noisy spectrum, the same for all channels.

    Args:
        layout: the bands that it reads and masks.
        offset_window: frames that a constant offset is averaged over before it is taken away; 0 leaves it.
        hops: of which a frame consists.
    """

    def __init__(self, layout: BandLayout, offset_window: int, hops: int) -> None:
        super().__init__()
        self.layout = layout
        self.offset = OffsetRemoval(offset_window, hops - 1) if offset_window else None

    def offset_state(self, batch: int, channels: int, like: Tensor) -> State:
        """The part of the state that :meth:`without_offset` needs; empty where it leaves the offset."""
        return {} if self.offset is None else {"offset": self.offset.past(batch, channels, like)}

    def without_offset(self, parts: Tensor, state: State, after: State) -> Tensor:
        """Real and imaginary parts ``(B, C, T, 2, F)`` less those of a constant; adds to the state after it."""
        if self.offset is None:
            return parts
        offset, after["offset"] = self.offset(parts, state["offset"])
        return torch.stack([parts[..., 0, :] - offset, parts[..., 1, :]], dim=-2)

    def mask(self, parts: Tensor, state: State) -> tuple[Tensor, State]:
        """Real and imaginary parts of the linked spectrum ``(B, T, 2, F)`` to those of the mask, and the state after it."""
        raise NotImplementedError

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it.

        The result is :attr:`delay` frames late.
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
