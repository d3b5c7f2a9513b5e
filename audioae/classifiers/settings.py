"""Checks of recipes for classifiers."""

from audioae.recipe import Recipe, without_autoencoders_sections


def problems(recipe: Recipe) -> tuple[list[str], list[str]]:
    """Sections of a recipe that do not apply to classifiers, and other reasons to reject it."""
    wrong = without_autoencoders_sections(recipe) + (["train.teacher"] if recipe.train.teacher else [])
    if recipe.data.label is None or not recipe.valid.clean:
        return wrong, ["a classifier needs `data.label`, and `valid.clean` to be measured on"]
    return wrong, []
