"""What all denoisers that lay a mask on the noisy spectrum have in common."""

import torch
from torch import Tensor, nn

from audioae.nn.causal import delay_spectrum
from audioae.nn.spectral import link, two_parts

State = dict[str, Tensor]


class Masking(nn.Module):
    """A network whose :meth:`mask` is laid on the noisy spectrum, the same for all channels."""

    delay = 0
    """Frames that what comes out is late by. The state then holds the ``noisy`` frames that wait for their masks."""

    def mask(self, parts: Tensor, state: State) -> tuple[Tensor, State]:
        """Real and imaginary parts of the linked spectrum ``(B, T, 2, F)`` to those of the mask, and the state after it."""
        raise NotImplementedError

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """Noisy ``(B, C, F, T)`` and the state before it to clean ``(B, C, F, T)`` and the state after it.

        The result is :attr:`delay` frames late.
        """
        mask, after = self.mask(link(two_parts(spec)), state)
        if self.delay:
            spec, after["noisy"] = delay_spectrum(spec, state["noisy"])
        return spec * torch.complex(*mask.unbind(2)).transpose(1, 2).unsqueeze(1), after
