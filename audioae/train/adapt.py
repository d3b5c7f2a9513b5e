"""Fine-tunes a model on the user's noise and voices, with a bound on the loss of quality for other noise.

The model is trained on the new noise together with speech and noise of the package. If its SI-SDR on other held-out noise
falls by more than the bound, its weights are interpolated towards the old ones until it does not (Wortsman et al., "Robust
fine-tuning of zero-shot models", 2022).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from audioae.data import held_out
from audioae.data.held_out import REHEARSAL, Split
from audioae.data.sources import list_files
from audioae.errors import DataError
from audioae.family import every_family
from audioae.modelfile import info, load, save_model
from audioae.nn.trained import TrainedModel
from audioae.recipe import Recipe, ValidConfig, recipe_of
from audioae.settings.config import build, dump, plain_data
from audioae.system.atomic import Temporary
from audioae.system.places import check_apart
from audioae.train.folder import LAST
from audioae.train.schedule import Budget
from audioae.train.trainer import train
from audioae.train.watcher import Watcher
from audioae.weight_files import locate

SNRS = (-5.0, 0.0, 5.0, 10.0)
SHARES = (1.0, 0.75, 0.5, 0.25, 0.1)
"""Interpolation factors between old and new weights that are tried, largest first."""
DECIDING = "si_sdr"
OWN_SHARE = 1.5
"""Number of new recordings per rehearsed recording."""


@dataclass(frozen=True)
class Figures:
    """Measures on held-out recordings, before and after.

    Attributes:
        noisy: measures of the unprocessed input.
        before: measures of the original model.
        after: measures of the adapted model.
    """

    noisy: dict[str, float]
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True)
class Adapted:
    """Result of :func:`adapt`.

    Attributes:
        own: measures on held-out parts of the new noise.
        general: measures on other speech and noise.
        share: interpolation factor between the old weights (0) and the new weights (1).
        steps: number of training steps.
        model_file: the new model file; None if no interpolation factor stayed within the bound.
        doubt: reason why the model has probably not learnt anything; empty otherwise.
    """

    own: Figures
    general: Figures
    share: float
    steps: int
    model_file: Path | None
    doubt: str = ""

    @property
    def bundle(self) -> Path | None:
        """Name of ``model_file`` in earlier versions."""
        return self.model_file


def adapt(
    model: str,
    noise: Sequence[str],
    out: Path,
    speech: Sequence[str] = (),
    budget: Budget | float = 600.0,
    bound: float = 0.3,
    overrides: Sequence[str] = (),
    device: str = "auto",
    watcher: Watcher | None = None,
    overwrite: bool = True,
) -> Adapted:
    """Fine-tune a model on the user's noise.

    Args:
        model: a model of the package, or the path of a model file.
        noise: recordings of the noise alone: files, folders or globs. The last quarter of each is used for testing.
        out: the model file to write.
        speech: clean recordings of voices to keep.
        budget: wall time in seconds, including measurements, from this call or as given by a
            :class:`~audioae.train.schedule.Budget`.
        bound: largest loss of SI-SDR on other noise, in dB.
        overrides: overrides of the model's recipe, ``key=value``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        watcher: observer of the training.
        overwrite: replace an existing file.

    Raises:
        DataError: too little or unreadable noise.
        OutputError: ``out`` cannot be written, is an input, or exists and ``overwrite`` is false.
        ModelFileError: no such model.
        RecipeError: an invalid override.
    """
    noises, voices = list_files(noise), list_files(speech) if speech else []
    check_apart(out, [*noises, *voices, locate(model)])
    Temporary(out, overwrite).discard()  # checks now that the file can be written
    budget = Budget(budget) if isinstance(budget, int | float) else budget
    old = load(model)
    trained_with = recipe_of(old)
    validation = every_family()[old.settings.family].module("task").Validation
    with tempfile.TemporaryDirectory(prefix="audioae-adapt-") as name:
        folder = Path(name)
        (folder / "noise").mkdir()
        new = held_out.in_time(noises, folder / "noise")
        other_noise = held_out.every(list_files([str(REHEARSAL / "noise")]), 4)
        other_speech = held_out.every(list_files([str(REHEARSAL / "speech")]), 5)
        own_speech = held_out.every(voices, 4) if len(voices) >= 4 else Split(list(voices), [])
        held_out.mix_pairs(own_speech.test or other_speech.test, new.test, SNRS, folder / "own", seed=1)
        held_out.mix_pairs(other_speech.test, other_noise.test, (*SNRS, 15.0), folder / "general", seed=2)
        measures = ("si_sdr", "log_spectral_distance")
        own, general = (
            validation(trained_with, load, ValidConfig(pairs=(str(folder / part),), measures=measures, best=DECIDING))
            for part in ("own", "general")
        )
        recipe = adapted_recipe(model, folder, overrides)
        learn = _weighted(new.train, other_noise.train), _weighted(own_speech.train, other_speech.train)
        data = recipe.data.model_copy(
            update={"noise": learn[0], "clean": learn[1], "rir": (), "pairs": (), "pairs_share": 0.0}
        )
        # The measurements are repeated after the training, on other noise up to once per interpolation factor.
        start = budget.spent
        before_own = own.run(old)
        half = budget.spent
        before_general = general.run(old)
        left = budget.less(half - start + len(SHARES) * (budget.spent - half))
        result = train(recipe.model_copy(update={"data": data}), folder / "run", budget=left, device=device, watcher=watcher)
        end = load(folder / "run" / LAST)
        for share in SHARES:
            tried = between(old, end, share)
            after_general = general.run(tried)
            if after_general[DECIDING] >= before_general[DECIDING] - bound:
                break
        else:
            share, tried, after_general = 0.0, old, before_general
        figures = Figures(own.noisy, before_own, own.run(tried)), Figures(general.noisy, before_general, after_general)
    if share:
        # The recipe in the model file names the data that the user gave, not the temporary folder.
        given = data.model_copy(update={"noise": tuple(noise), "clean": tuple(speech) or recipe.data.clean})
        tried.recipe_text = dump(recipe.model_copy(update={"data": given, "valid": trained_with.valid}))
        save_model(out, tried, {f"own_{k}": v for k, v in figures[0].after.items()}, overwrite)
    return Adapted(*figures, share, result.progress.step, out if share else None, result.doubt)


def between(old: TrainedModel, new: TrainedModel, share: float) -> TrainedModel:
    """Interpolate between the weights of two models."""
    result = type(new)(new.settings, new.name)
    start, end = old.network.state_dict(), new.network.state_dict()
    result.network.load_state_dict({name: torch.lerp(value, end[name], share) for name, value in start.items()})
    return result.eval().requires_grad_(False)


def adapted_recipe(model: str, folder: Path, overrides: Sequence[str]) -> Recipe:
    """The model's recipe with a schedule for fine-tuning, also on small machines."""
    settings = plain_data(info(model).recipe)
    settings["train"] |= {
        "init": model, "steps": 1_000_000, "learning_rate": 3e-4, "warmup": 50, "ema": 0.99, "workers": 1,
        "validate_every": 1_000_000, "checkpoint_every": 1_000_000,
        "teacher": "",  # does not know the new noise either, and doubles the time of a step
    }  # fmt: skip
    settings["data"] |= {"batch_size": 4, "remix": 1, "memory_mb": 3000}
    settings["valid"] |= {"pairs": [str(folder / "own")], "measures": ["si_sdr"], "best": "si_sdr"}
    return build(Recipe, settings, model, overrides)


def _weighted(own: Sequence[Path], rehearsed: Sequence[Path]) -> tuple[str, ...]:
    """Both lists, with the new recordings repeated so that they outweigh the rehearsed ones."""
    if not own:
        return tuple(str(path) for path in rehearsed)
    if not rehearsed:
        raise DataError(f"{REHEARSAL}: the recordings to rehearse are missing: install audioae again")
    times = max(1, round(OWN_SHARE * len(rehearsed) / len(own)))
    return tuple(str(path) for path in [*own] * times + [*rehearsed])
