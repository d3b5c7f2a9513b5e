"""Every recipe validates, names its command and result, and runs as it stands in a fresh clone."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import audioae
from audioae.cli.app import main
from audioae.errors import RecipeError
from audioae.modelfile import shipped
from audioae.recipe import Recipe, recipe_of
from audioae.settings.config import dump, load, parse
from audioae.settings.registry import kinds, model_packages

RECIPES = sorted((Path(__file__).parent.parent / "recipes").glob("*.yaml"))


def test_every_kind_of_model_has_a_recipe() -> None:
    assert {load(Recipe, path).model.kind for path in RECIPES} >= set(kinds(*model_packages()))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipes_state_their_result(path: Path) -> None:
    text = path.read_text()
    comment = text[: text.index("\n\n")]
    assert all(line.startswith("#") for line in comment.splitlines())
    assert "audioae train recipes/" + path.name in comment
    recipe = load(Recipe, path)
    reached = {
        "denoisers": r"PESQ \d\.\d",
        "autoencoders": r"reconstruction error of 0\.\d",
        "classifiers": r"accuracy of 0\.\d",
        "generators": r"Frechet distance of \d+\.\d",
    }[recipe.model.family]
    assert re.search(reached, comment) and re.search(r"\d+ (min|h)", comment)
    assert parse(Recipe, dump(recipe), "again") == recipe


def commands(path: Path) -> list[list[str]]:
    """The words after ``audioae train`` of each command in a recipe's comment, without options."""
    comment = re.sub(r"\n#   (?!audioae)", " ", path.read_text().partition("\n\n")[0])
    lines = re.findall(r"^#   audioae train (recipes/\S+\.yaml [^\n]*)", comment, re.M)
    return [shlex.split(line.partition(" --")[0].partition("    (")[0]) for line in lines]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_the_commands_of_recipes_are_valid(path: Path) -> None:
    for recipe, *words in commands(path):
        load(Recipe, path.with_name(Path(recipe).name), [word for word in words if "=" in word])


def test_a_teacher_can_be_left_out() -> None:
    path = RECIPES[0].with_name("conv_dae_offline.yaml")
    for empty in ("train.teacher=", "train.teacher=''", 'train.teacher=""'):
        assert load(Recipe, path, [empty]).train.teacher == ""
    with pytest.raises(RecipeError, match="should be text, not null"):
        load(Recipe, path, ["train.teacher=null"])
    assert load(Recipe, path, ["train.threads=null", "data.clean=speech #1"]).data.clean == ("speech #1",)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_recipes_run_as_they_stand(path: Path, fresh_clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fresh_clone)
    monkeypatch.setattr("audioae.train.log.save_curves", lambda *_: None)  # which takes as long as the training
    out = fresh_clone / "runs" / f"{path.stem}-short"
    options = ["--budget", "1s", "--device", "cpu", "--out", str(out)]
    # In this process, because starting one for every recipe would take longer than training.
    run = CliRunner().invoke(main, ["train", f"recipes/{path.name}", *options])
    assert run.exit_code == 0, (run.output[-2000:], run.exception)
    denoiser = audioae.load(out / "best.safetensors")
    assert recipe_of(denoiser) == load(Recipe, path)


@pytest.mark.parametrize("name", shipped())
def test_shipped_weights_are_of_the_recipe_beside(name: str) -> None:
    recipe = load(Recipe, RECIPES[0].with_name(f"{name}.yaml"))
    own = recipe_of(audioae.load(name))
    assert (own.model, own.losses, own.data.augment) == (recipe.model, recipe.losses, recipe.data.augment)
