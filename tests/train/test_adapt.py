"""Adapting to a noise: measured on held-out data, within the bound, and interruptible."""

import runpy
from pathlib import Path

import pytest
import soundfile
import torch
from click.testing import CliRunner

import audioae
from audioae.cli.app import main
from audioae.modelfile import save_model
from audioae.recipe import recipe_of
from audioae.settings.config import dump
from audioae.task import Validation
from audioae.train.adapt import Adapted, Figures, adapt, adapted_recipe, between
from audioae.train.schedule import Budget
from audioae.train.watcher import Watcher

NASTY = ["#1, it's [a]", 'say "hi": {x}', "two\nlines", "[ab]*?", "$x ~ %d", "ünï—ć", " spaces "]
"""Names of folders that mean something in YAML, in patterns or in a shell."""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """12 s of the benchmark's noise, which the default handles badly, in a folder with an unusual name."""
    benchmark = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "adapting.py"))
    (tmp_path / NASTY[0]).mkdir()
    path = tmp_path / NASTY[0] / "engine [1].wav"
    soundfile.write(path, benchmark["engine"]()[: 12 * benchmark["RATE"]], benchmark["RATE"])
    return path


FAST = ["train.workers=0", "data.seconds=1", "data.memory_mb=100", "data.other_share=0"]
BRIEF = ["train.steps=40", "train.warmup=5", "train.ema=0.9"]


def test_adapting_improves_the_noise_within_the_bound(engine: Path, tmp_path: Path) -> None:
    out = engine.parent / "mine.safetensors"
    brief = [*FAST, *BRIEF]
    result = adapt("conv_dae_offline", [str(engine)], out, budget=3600, bound=1.0, overrides=brief, device="cpu")
    assert (result.model_file, result.steps, result.doubt) == (out, 40, "")
    assert result.own.after["si_sdr"] > result.own.before["si_sdr"]
    assert result.general.after["si_sdr"] >= result.general.before["si_sdr"] - 1.0
    mine = audioae.load(out)
    assert recipe_of(mine).data.noise == (str(engine),)  # the given path, not the temporary one
    assert mine.settings == audioae.load("conv_dae_offline").settings


class Clock:
    now = 500.0

    def __call__(self) -> float:
        return self.now


class Slow(Watcher):
    """Each step of the training takes ten seconds."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        self.clock.now += 10


def test_measuring_before_and_after_is_part_of_the_budget(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, general = Clock(), []

    def run(self: Validation, denoiser: object, *_: object) -> dict[str, float]:
        clock.now += len(self.files)
        if "general" in str(self.config.pairs):
            general.append(1)
            # The worst case: only the smallest interpolation factor is within the bound.
            return {"si_sdr": 10.0 if len(general) in (1, 6) else 0.0, "log_spectral_distance": 1.0}
        return {"si_sdr": 1.0, "log_spectral_distance": 1.0}

    monkeypatch.setattr(Validation, "run", run)
    began, clock.now = clock.now, clock.now + 20
    budget = Budget(300, began, clock)
    result = adapt("conv_dae", [str(engine)], tmp_path / "mine.safetensors", (), budget, 0.3, FAST, "cpu", Slow(clock))
    assert (len(general), result.share) == (6, 0.1)
    assert f"{result.steps} steps are no more than the warm-up of 50" in result.doubt
    assert 270 <= clock.now - began <= 300


@pytest.mark.parametrize(("gain", "words"), [(0.01, "3 steps are too few"), (0.0, "no gain on this noise")])
def test_a_training_that_is_too_short_prints_a_warning(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gain: float, words: str
) -> None:
    """Also where the figures are a little better by chance."""
    figures = Figures({"si_sdr": 0.0}, {"si_sdr": 1.0}, {"si_sdr": 1.0 + gain})
    out = tmp_path / "mine.safetensors"
    made = Adapted(figures, figures, 1.0, 3, out, "3 steps are too few")
    monkeypatch.setattr("audioae.train.adapt.adapt", lambda *_: made)
    run = CliRunner().invoke(main, ["adapt", "--noise", str(engine), "-o", str(out)])
    assert run.exit_code == 0 and f"audioae: warning: {words}" in run.output


def test_a_bound_that_cannot_be_kept_writes_nothing(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audioae.train.adapt.SHARES", (1.0,))
    ruin = ["train.learning_rate=0.5", "train.ema=0", "train.steps=3", "train.warmup=0"]
    options = [word for each in [*FAST, *ruin] for word in ("--set", each)]
    out = tmp_path / "mine.safetensors"
    run = CliRunner().invoke(
        main, ["adapt", "conv_dae", "--noise", str(engine), "-o", str(out), "--budget", "1h", "--device", "cpu", *options]
    )
    assert run.exit_code == 1 and "nothing was written" in run.output
    assert not out.exists()


def test_adapting_uses_settings_for_small_machines(tmp_path: Path) -> None:
    given = audioae.load("conv_dae")
    recipe = recipe_of(given)
    data = recipe.data.model_copy(update={"remix": 4, "batch_size": 32, "memory_mb": 50_000})
    given.recipe_text = dump(recipe.model_copy(update={"data": data}))
    save_model(tmp_path / "given.safetensors", given)
    recipe = adapted_recipe(str(tmp_path / "given.safetensors"), tmp_path, [])
    assert (recipe.data.remix, recipe.train.workers, recipe.data.batch_size, recipe.data.memory_mb) == (1, 1, 4, 3000)


def test_adapting_uses_no_teacher(tmp_path: Path) -> None:
    taught = audioae.load("conv_dae")
    recipe = recipe_of(taught)
    train = recipe.train.model_copy(update={"teacher": str(tmp_path / "on another machine.safetensors")})
    taught.recipe_text = dump(recipe.model_copy(update={"train": train}))
    save_model(tmp_path / "taught.safetensors", taught, {})
    assert adapted_recipe(str(tmp_path / "taught.safetensors"), tmp_path, []).train.teacher == ""


@pytest.mark.parametrize("name", NASTY)
def test_any_path_is_taken_literally(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    model = folder / f"{name}.safetensors"
    save_model(model, audioae.load("conv_dae"))
    recipe = adapted_recipe(str(model), folder, ["train.steps=7"])
    assert recipe.train.init == str(model)
    assert recipe.valid.pairs == (str(folder / "own"),)
    assert recipe.train.steps == 7, "who calls has the last word"


def test_halfway_between_two_models() -> None:
    old, new = audioae.load("conv_dae"), audioae.load("conv_dae")
    with torch.no_grad():
        for value in new.network.state_dict().values():
            value += 1.0
    for share in (0.0, 0.25, 1.0):
        mixed = between(old, new, share).network.state_dict()
        assert all(torch.allclose(mixed[name], value + share, atol=1e-5) for name, value in old.network.state_dict().items())


def test_mistakes_are_reported_before_anything_runs(engine: Path, tmp_path: Path) -> None:
    def errors(*words: str) -> str:
        run = CliRunner().invoke(main, ["adapt", *words])
        assert run.exit_code == 1
        return run.output

    there = tmp_path / "there.safetensors"
    there.write_bytes(b"x")
    assert "--overwrite" in errors("--noise", str(engine), "-o", str(there))
    recording = engine.read_bytes()
    assert "is the input itself" in errors("--noise", str(engine.parent), "-o", str(engine), "--overwrite")
    assert engine.read_bytes() == recording
    assert "no folder" in errors("--noise", str(engine), "-o", str(tmp_path / "no/mine.safetensors"))
    assert "cannot write" in errors("--noise", str(engine), "-o", "/proc/mine.safetensors")
    assert "no audio found" in errors("--noise", str(tmp_path / "nothing"), "-o", str(tmp_path / "m.safetensors"))
    assert "neither a model" in errors("nonsense", "--noise", str(engine), "-o", str(tmp_path / "m.safetensors"))
