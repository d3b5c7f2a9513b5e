"""The output folder of a training."""

from pathlib import Path

from audioae.errors import OutputError
from audioae.recipe import Recipe
from audioae.settings.config import dump
from audioae.system.atomic import write_file

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
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot make the folder: {error.strerror}") from None


def note_recipe(out: Path, recipe: Recipe) -> None:
    """Write the resolved recipe to the folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_file(out / RESOLVED, (dump(recipe) + "\n").encode())
