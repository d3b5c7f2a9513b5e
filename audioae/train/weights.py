"""Weights from elsewhere: those that a training begins with, and their moving average."""

import torch

from audioae.bundle import load
from audioae.denoiser import Denoiser
from audioae.errors import BundleError
from audioae.recipe import Recipe


@torch.no_grad()
def blend(average: Denoiser, current: Denoiser, decay: float, step: int) -> None:
    """Exponential moving average that begins with a short memory."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    for mine, new in zip(average.state_dict().values(), current.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(new, weight)
        else:
            mine.copy_(new)


def begin_with(denoiser: Denoiser, recipe: Recipe) -> None:
    """Take over the weights of ``train.init``, all of which the model has to have room for; it may be larger.

    Raises:
        BundleError: no bundle, or one with weights that have no place here.
    """
    weights, own = load(recipe.train.init).model.state_dict(), denoiser.model.state_dict()
    unfit = [name for name, value in weights.items() if name not in own or own[name].shape != value.shape]
    if unfit:
        raise BundleError(
            f"train.init {recipe.train.init}: holds another model than this recipe's `model` section: "
            f"{unfit[0]} does not fit"
        )
    denoiser.model.load_state_dict(weights, strict=False)
