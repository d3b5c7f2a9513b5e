"""Knowledge distillation: the results of a larger denoiser as part of the training target."""

import torch
from torch import Tensor

from audioae.denoisers.denoiser import Denoiser
from audioae.errors import ModelFileError
from audioae.nn.trained import TrainedModel

AUDIBLE = 1e-4
"""Smallest ratio of the energies of noise and speech, in either direction, at which an example counts as a mixture."""


class Teacher:
    """A trained denoiser that another learns from (Hinton et al., "Distilling the knowledge in a neural network", 2015).

    The part of the clean recording that cannot be predicted from the mixture is noise in the gradient; the teacher's result
    does not contain it. The teacher is not trained and not saved.

    Args:
        model: the teacher.
        share: share of the teacher's result in the target; the rest is the clean recording.

    Raises:
        ModelFileError: the model is not a denoiser.
    """

    def __init__(self, model: TrainedModel, share: float) -> None:
        if not isinstance(model, Denoiser):
            raise ModelFileError(f"train.teacher {model.name}: is a {model.settings.kind}: give a denoiser")
        self.share, self.denoiser = share, model.eval().requires_grad_(False)

    @torch.no_grad()
    def target(self, noisy: Tensor, clean: Tensor, rate: int) -> Tensor:
        """The training target for waves ``(B, 1, N)``: between the clean wave and the teacher's result.

        For examples without noise, or without speech, it is the clean wave itself.
        """
        if self.denoiser.device != noisy.device:
            self.denoiser.to(noisy.device)
        with torch.autocast(noisy.device.type, enabled=False):
            estimate = self.denoiser.clean(noisy.float(), rate)
        noise, speech = (wave.square().sum(-1, keepdim=True) for wave in (noisy - clean, clean))
        mixed = (noise > AUDIBLE * speech) & (speech > AUDIBLE * noise)
        return torch.where(mixed, torch.lerp(clean, estimate, self.share), clean)
