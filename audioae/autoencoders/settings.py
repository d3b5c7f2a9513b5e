"""Checks of recipes for autoencoders."""

from audioae.measures.table import MEASURES
from audioae.recipe import Recipe


def problems(recipe: Recipe) -> tuple[list[str], list[str]]:
    """Sections of a recipe that do not apply to autoencoders, and other reasons to reject it."""
    reasons = []
    if recipe.valid.clean and (recipe.corruption.noise or set(recipe.valid.measures) & set(MEASURES)):
        reasons.append("`valid.clean` has no noisy side: give `valid.pairs` for `corruption.noise` and measures of sound")
    levels = len(getattr(recipe.model, "widths", ())) + 1
    if recipe.train.stages and len(recipe.train.stages) != levels:
        reasons.append(f"`train.stages` holds {len(recipe.train.stages)} numbers: give {levels}, one more than `widths`")
    if "kl_sparsity" in recipe.losses and getattr(recipe.model, "activation", "") != "sigmoid":
        reasons.append("`losses.kl_sparsity` is for codes between 0 and 1: set `model.activation: sigmoid`")
    if "kl_prior" in recipe.losses and not getattr(recipe.model, "variational", False):
        reasons.append("`losses.kl_prior` is for variational codes: set `model.variational: true`")
    return ["train.teacher"] if recipe.train.teacher else [], reasons
