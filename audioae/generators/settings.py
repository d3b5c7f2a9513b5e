"""Checks of recipes for generators."""

from audioae.generators.losses import PENALTIES
from audioae.generators.measures import NEED_CLASSIFIER
from audioae.recipe import Recipe, without_autoencoders_sections


def problems(recipe: Recipe) -> tuple[list[str], list[str]]:
    """Sections of a recipe that do not apply to generators, and other reasons to reject it."""
    reasons = []
    if not set(recipe.losses) - PENALTIES:
        reasons.append(f"`losses` holds penalties alone ({', '.join(recipe.losses)}): a critic needs a loss such as `hinge`")
    if not recipe.valid.clean:
        reasons.append("a generator needs `valid.clean` to be measured on")
    if getattr(recipe.model, "classes", ()) and recipe.data.label is None:
        reasons.append("`model.classes` needs `data.label`, the part of a file's name that is its class")
    if not recipe.valid.judge and (needed := [name for name in recipe.valid.measures if name in NEED_CLASSIFIER]):
        reasons.append(f"`valid.measures` holds {', '.join(needed)}: give `valid.judge`, a classifier")
    wrong = without_autoencoders_sections(recipe) + (["train.teacher"] if recipe.train.teacher else [])
    return wrong, reasons
