"""Every setting that no recipe of the package turns changes a training. They are found in the schema, not listed.

Settings of models and options of losses: ``tests/settings/test_effects.py``; augmentation: ``tests/data/test_mixer.py``.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from safetensors.torch import load_file

from audioae.data import sources
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import DataError, RecipeError
from audioae.modelfile import save_model
from audioae.recipe import Recipe
from audioae.recipe_files import locate, names
from audioae.settings.config import Config, load, parse
from audioae.train import checkpoint
from audioae.train.trainer import train
from tests.altered import altered

SHORT = "steps: 4, warmup: 0, workers: 0, threads: 1"
DENOISER = f"""
model: {{kind: conv_dae, channels: 8, dilations: [1]}}
data: {{seconds: 0.5, batch_size: 2, other_share: 0}}
losses: {{sd_sdr: 1}}
train: {{{SHORT}, log_every: 4}}
valid: {{at_most: 1, measures: [si_sdr]}}
"""
AUTOENCODER = f"""
model: {{kind: autoencoder, code: 6, bands: 16, widths: [4], strides: [2], frames: 8}}
data: {{seconds: 0.5, batch_size: 2, other_share: 0}}
losses: {{reconstruction_mse: 1}}
train: {{{SHORT}}}
valid: {{at_most: 1, measures: [reconstruction_error], best: reconstruction_error}}
"""
GENERATOR = f"""
model: {{kind: cgan, widths: [16, 8], critic_widths: [8, 16], latent: 8}}
data: {{clean: [samples/digits], noise: [], rir: [], rate: 8000, other_share: 0, crop: clip, label: 0, seconds: 1.0,
  batch_size: 4, augment: {{clean_only: 1, noise_only: 0, reverb: {{share: 0}}}}}}
losses: {{hinge: 1}}
train: {{{SHORT}}}
valid: {{clean: [samples/digits], at_most: 4, measures: [sliced_wasserstein], best: sliced_wasserstein}}
"""
FAMILIES = {"corruption": AUTOENCODER, "train.critic_steps": GENERATOR}
"""Recipes by the settings that they have an effect on; denoisers have all others."""
NEEDED = {
    "data.pairs": ["data.pairs=[{folder}/pairs]", "data.pairs_share=1"],
    "data.pairs_share": ["data.pairs=[samples]"],
    "data.other_rates": ["data.other_share=1"],
    "data.max_skipped": ["data.clean=[{folder}/damaged]"],
    "train.teacher_share": ["train.teacher=conv_dae"],
    "train.only": ["train.init={folder}/init.safetensors"],
}
"""Overrides without which a setting has no effect."""
VALUES = {
    "data.pairs": "[samples]",
    "data.memory_mb": 1,
    "train.teacher": "conv_dae",
    "train.checkpoint_every": 1,
    "train.only": "[decoder]",
    "valid.pairs": "[{folder}/pairs]",
}
"""Values of settings that name files, or whose range lies beyond a short training."""
COVERED = {"model", "losses"}
"""Sections whose settings other tests change."""
pytestmark = pytest.mark.usefixtures("root")


def settings(config: Config, *path: str) -> Iterator[tuple[str, ...]]:
    """The keys of all settings, without the augmentation."""
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            yield from settings(value, *path, name) if name != "augment" else ()
        else:
            yield *path, name


def value_of(config: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        config = getattr(config, name)
    return config


USUAL = parse(Recipe, "model: {kind: conv_dae}\nlosses: {sd_sdr: 1}", "usual")
RECIPES = [load(Recipe, locate(name)) for name in names()]
UNTURNED = [
    ".".join(path)
    for path in settings(USUAL)
    if path[0] not in COVERED and all(value_of(recipe, path) == value_of(USUAL, path) for recipe in RECIPES)
]


def others(key: str) -> list[Any]:
    """Other values of a setting."""
    if key in VALUES:
        return [VALUES[key]]
    section, field = USUAL, key.split(".")
    for name in field[:-1]:
        section = getattr(section, name)
    return list(altered(getattr(section, field[-1]), type(section).model_fields[field[-1]].annotation))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four recordings of which one is damaged, one pair, and a model."""
    made, samples = tmp_path_factory.mktemp("data"), Path(__file__).parents[2] / "samples"
    wave, rate = soundfile.read(samples / "clean/16k-fire.flac")
    for name in ("damaged", "pairs/noisy", "pairs/clean"):
        (made / name).mkdir(parents=True)
    for number in range(3):
        soundfile.write(made / f"damaged/{number}.wav", wave[rate * number : rate * (number + 1)], rate)
    (made / "damaged/broken.wav").write_text("no sound")
    for side in ("noisy", "clean"):
        shutil.copy(samples / side / "16k-rain.flac", made / "pairs" / side / "rain.flac")
    save_model(made / "init.safetensors", Denoiser(parse(Recipe, DENOISER, "init").model))
    return made


def outcome(text: str, overrides: list[str], out: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Log, weights and numbers of checkpoints and of opened recordings of a training; nothing for unusable data."""
    opened, saved = [], []
    reader, save = sources.Reader, checkpoint.save
    with monkeypatch.context() as patch:
        patch.setattr(sources, "Reader", lambda *given, **named: opened.append(1) or reader(*given, **named))
        patch.setattr(checkpoint, "save", lambda *given: saved.append(1) or save(*given))
        try:
            train(parse(Recipe, text, "test", overrides), out, device="cpu")
        except DataError:
            return []
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    timed = ("seconds", "audio_per_second")
    weights = {name: value.tolist() for name, value in load_file(out / "last.safetensors").items()}
    return [[{k: v for k, v in row.items() if k not in timed} for row in rows], weights, len(opened), len(saved)]


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, ...], list[Any]]:
    """Outcomes with usual settings, which most tests share."""
    return {}


@pytest.mark.parametrize("key", UNTURNED)
def test_every_setting_that_no_recipe_turns_has_an_effect(
    key: str, folder: Path, known: dict[tuple[str, ...], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = FAMILIES.get(key, FAMILIES.get(key.split(".")[0], DENOISER))
    needed = [each.format(folder=folder) for each in NEEDED.get(key, [])]
    if (text, *needed) not in known:
        known[text, *needed] = outcome(text, needed, tmp_path / "usual", monkeypatch)
    before = known[text, *needed]
    tried = 0
    for number, value in enumerate(others(key)):
        shown = str(value).format(folder=folder) if isinstance(value, str) else json.dumps(value)
        try:
            after = outcome(text, [*needed, f"{key}={shown}"], tmp_path / str(number), monkeypatch)
        except RecipeError:  # out of its range
            continue
        tried += 1
        if after != before:
            return
    pytest.fail(f"none of {tried} values changes a training")
