"""The output folder of a training."""

from pathlib import Path

from audioae.errors import OutputError, RecipeError
from audioae.recipe import Recipe
from audioae.settings.config import dump, parse
from audioae.system.atomic import write_file
from audioae.train.log import CURVES, LOG, read_log

CHECKPOINT, BEST, LAST, RESOLVED = "checkpoint.safetensors", "best.safetensors", "last.safetensors", "recipe.json"
SAMPLES = "samples"


def prepare(out: Path, resume: bool) -> None:
    """Create the folder and check its contents.

    Raises:
        OutputError: it contains a training, without ``resume``, or none, with it; or it cannot be created.
    """
    if resume and not (out / CHECKPOINT).is_file():
        raise OutputError(f"{out}: holds no checkpoint to resume: leave out --resume, or give the right --out")
    if not resume and (out / CHECKPOINT).exists():
        raise OutputError(f"{out}: holds a training already: use --resume to continue it, or another --out")
    # A log without a checkpoint is from a training that ended before anything was saved.
    if not resume and any((out / name).exists() for name in (BEST, LAST)):
        raise OutputError(f"{out}: holds models already: give another --out")
    if not resume and (foreign := _foreign(out)):
        raise OutputError(f"{foreign}: is there already, and not of a training that was broken off: give another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot make the folder: {error.strerror}") from None


def _foreign(out: Path) -> Path | None:
    """A file with the name of a result that no training has left here before its first checkpoint."""
    recipe, log, curves = out / RESOLVED, out / LOG, out / CURVES
    if curves.exists():  # drawn after the first model file is written
        return curves
    if log.is_file() and len(read_log(log)) < len(log.read_bytes().splitlines()):
        return log
    try:
        text = recipe.read_text(encoding="utf-8") if recipe.is_file() else ""
        is_own = not text or dump(parse(Recipe, text, RESOLVED)) == text.strip()
    except (RecipeError, ValueError):
        is_own = False
    return None if is_own else recipe


def note_recipe(out: Path, recipe: Recipe) -> None:
    """Write the resolved recipe to the folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_file(out / RESOLVED, (dump(recipe) + "\n").encode())
