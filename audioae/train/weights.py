"""Initial weights of a training and the moving average of weights."""

import torch
from torch import Tensor

from audioae.errors import ModelFileError, RecipeError
from audioae.modelfile import load
from audioae.nn.trained import TrainedModel
from audioae.recipe import Recipe


@torch.no_grad()
def blend(average: TrainedModel, current: TrainedModel, decay: float, step: int) -> None:
    """Update an exponential moving average, with a smaller decay in the first steps."""
    weight = 1 - min(decay, (1 + step) / (10 + step))
    for mine, new in zip(average.state_dict().values(), current.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(new, weight)
        else:
            mine.copy_(new)


def begin_with(model: TrainedModel, recipe: Recipe) -> None:
    """Load the weights of ``train.init``. The model may be larger, but must contain all of these weights but a learned past.

    A list gives one model to each member of an ensemble. For other models, the weights in a list are averaged (Wortsman et
    al., "Model soups", 2022); a model that is listed twice counts twice.

    Raises:
        ModelFileError: no model file, weights that do not fit, or not one file for each member.
    """
    init, own = recipe.train.init, model.network.state_dict()
    members = len(getattr(model.network, "members", ()))
    sources: dict[str, tuple[str, ...]] = {"": (init,) if isinstance(init, str) else init}
    if members and not isinstance(init, str):
        if len(init) != members:
            raise ModelFileError(f"train.init: {len(init)} models in a list need as many members; here are {members}")
        sources = {f"members.{n}.": (name,) for n, name in enumerate(init)}
    for prefix, names in sources.items():
        taken = [_fitting(name, prefix, own) for name in names]
        if any(each.keys() != taken[0].keys() for each in taken):
            raise ModelFileError(f"train.init: {' and '.join(names)} are different models, whose weights cannot be averaged")
        mean = {key: torch.stack([each[key] for each in taken]).double().mean(0).to(own[key]) for key in taken[0]}
        model.network.load_state_dict(mean if len(taken) > 1 else taken[0], strict=False)


def select(model: TrainedModel, only: tuple[str, ...]) -> None:
    """Freeze all parameters of a model but those whose name contains one of ``only``; an empty one freezes none.

    Raises:
        RecipeError: no parameter has such a name.
    """
    if not only:
        return
    chosen = {name for name, _ in model.network.named_parameters() if any(word in name for word in only)}
    if not chosen:
        raise RecipeError(f"train.only: no parameter of the model has {' or '.join(map(repr, only))} in its name")
    for name, value in model.network.named_parameters():
        value.requires_grad_(name in chosen)


def _fitting(source: str, prefix: str, own: dict[str, Tensor]) -> dict[str, Tensor]:
    weights = {prefix + name: value for name, value in load(source).network.state_dict().items()}
    # A learned past concerns the first second only: a model without one begins with zeros again.
    weights = {name: value for name, value in weights.items() if name in own or not name.endswith("time.before")}
    unfit = [name for name, value in weights.items() if name not in own or own[name].shape != value.shape]
    if unfit:
        raise ModelFileError(
            f"train.init {source}: holds another model than this recipe's `model` section: {unfit[0]} does not fit"
        )
    return weights
