"""Knowledge from a larger model: its results as part of what a denoiser learns."""

import torch
from torch import Tensor

from audioae.errors import BundleError
from audioae.modelfile import load

HEARD = 1e-4
"""Least energy of noise, as a share of the speech's, and of speech, as one of the noise's, for which a teacher is asked."""


class Teacher:
    """A trained denoiser that another learns from (Hinton et al., "Distilling the knowledge in a neural network", 2015).

    What a mixture tells of the speech in it is less than the speech. The rest of the target, which nobody can know, is noise
    in the steps of a training, and a teacher's result is free of it. The teacher is not trained, and is in no bundle.

    Args:
        name: a model in the package or a bundle's path.
        share: of the teacher's result in the target; the rest is the clean recording.

    Raises:
        BundleError: no such model, or one that cleans nothing.
    """

    def __init__(self, name: str, share: float) -> None:
        self.share, self.denoiser = share, load(name).eval().requires_grad_(False)
        if self.denoiser.recipe.family != "waves":
            raise BundleError(f"train.teacher {name}: is a {self.denoiser.recipe.model.kind}: give a denoiser")

    @torch.no_grad()
    def target(self, noisy: Tensor, clean: Tensor, rate: int) -> Tensor:
        """What is to be learnt of waves ``(B, 1, N)``: from the clean one towards the teacher's result.

        Without noise, or without speech, it is the clean one itself, for there the mixture tells all of it.
        """
        if self.denoiser.device != noisy.device:
            self.denoiser.to(noisy.device)
        with torch.autocast(noisy.device.type, enabled=False):
            told = self.denoiser(noisy.float(), rate)
        noise, speech = (wave.square().sum(-1, keepdim=True) for wave in (noisy - clean, clean))
        mixed = (noise > HEARD * speech) & (speech > HEARD * noise)
        return torch.where(mixed, torch.lerp(clean, told, self.share), clean)
