"""Figures of autoencoders on recordings, against scikit-learn and by their own laws."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn.decomposition import PCA

import audioae
from audioae.autoencoders import evaluation as codes
from audioae.autoencoders.autoencoder import Autoencoder
from audioae.autoencoders.task import Task
from audioae.cli.app import main
from audioae.data.gather import Sources
from audioae.data.mixer import Mixer
from audioae.data.pairs import find_pairs
from audioae.errors import ModelFileError
from audioae.evaluate import families
from audioae.modelfile import save_model
from audioae.recipe import Recipe
from audioae.settings.config import dump, parse

CLEAN = ["samples/train/clean"]
TEXT = """
model: {kind: autoencoder, code: 6, bands: 16, widths: [4, 8], strides: [2, 2], kernel: 3, frames: 8}
data: {seconds: 2.0, batch_size: 4, other_share: 0, noise: [], rir: [], augment: {clean_only: 1, reverb: {share: 0}}}
losses: {reconstruction_mse: 1}
valid: {at_most: 2, measures: [reconstruction_error], best: reconstruction_error}
"""
pytestmark = pytest.mark.usefixtures("root")


def made(*overrides: str) -> Autoencoder:
    """An autoencoder before its first step, initialised by principal components where possible."""
    recipe = parse(Recipe, TEXT, "test", overrides)
    torch.manual_seed(0)
    denoiser = Autoencoder(recipe.model, "mine")
    denoiser.recipe_text = dump(recipe)
    Task(denoiser, recipe, 0, audioae.load).begin(Mixer(recipe.data, 0, Sources.of(recipe.data)))
    return denoiser.eval()


def files() -> list[tuple[Path, Path]]:
    return [(pair.noisy, pair.clean) for pair in find_pairs("samples")[:3]]


def test_before_training_the_error_is_that_of_components() -> None:
    denoiser = made()
    patches = codes.held_out(denoiser, files())
    found = codes.figures(denoiser, patches)
    errors = codes.components(denoiser, CLEAN, patches, [2, 6])
    assert found["reconstruction_error"] == pytest.approx(errors[6], rel=0.1)
    assert errors[2] > errors[6]
    assert found["code"] == 6


def test_components_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "BATCHES", 20)
    denoiser = made()
    patches = codes.held_out(denoiser, files())
    fitted = codes.fit_components(denoiser, CLEAN, 5)
    flat = patches.wanted.flatten(1).numpy()
    expected = np.square(fitted.inverse_transform(fitted.transform(flat)) - flat).mean()
    assert isinstance(fitted, PCA)
    assert codes.components(denoiser, CLEAN, patches, [5])[5] == pytest.approx(expected, rel=1e-4)


def test_only_models_trained_on_noise_are_measured_on_it() -> None:
    clean = codes.held_out(made(), files())
    noisy = codes.held_out(made("corruption.noise=true"), files())
    assert torch.equal(clean.given, clean.wanted)
    assert (noisy.given - noisy.wanted).mean() > 0.05
    assert len(set(clean.files)) == 3 and len(clean.files) == len(clean.given)


def test_relative_measures_do_not_depend_on_the_scale_of_the_code() -> None:
    denoiser = made()
    patches = codes.held_out(denoiser, files())
    before = codes.figures(denoiser, patches)
    with torch.no_grad():
        for layer in (denoiser.network.to_code, denoiser.network.linear_to_code):
            for value in layer.parameters():
                value *= 0.1
    after = codes.figures(denoiser, patches)
    assert after["jacobian_norm"] < 0.02 * before["jacobian_norm"]
    for name in ("jacobian_relative", "code_shift"):
        assert after[name] == pytest.approx(before[name], rel=1e-3)


def test_measures_of_one_kind_are_nan_for_others() -> None:
    plain = codes.figures(made(), codes.held_out(made(), files()))
    assert all(np.isnan(plain[name]) for name in ("elbo", "activity_error", "active_units"))
    sparse = made("model.activation=sigmoid", "losses.kl_sparsity={weight: 0.1, rho: 0.5}")
    found = codes.figures(sparse, codes.held_out(sparse, files()))
    assert found["activity_error"] == pytest.approx(abs(found["mean_activity"] - 0.5) / 0.5, rel=1e-3)
    variational = made("model.variational=true", "losses.kl_prior=0.001")
    found = codes.figures(variational, codes.held_out(variational, files()))
    assert found["importance_bound"] > found["elbo"] and found["divergence"] > 0


def test_the_command_measures_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "BATCHES", 20)
    save_model(tmp_path / "mine.safetensors", made("corruption.masking=0.1"))
    arguments = ["evaluate", str(tmp_path / "mine.safetensors"), "--pairs", "samples", "--components", *CLEAN, "-q",
                 "--measure", "si_sdr", "--pictures", str(tmp_path / "pictures"), "--json", str(tmp_path / "all.json"),
                 "--device", "cpu"]  # fmt: skip
    run = CliRunner().invoke(main, arguments)
    assert run.exit_code == 0, run.output
    rows = json.loads((tmp_path / "all.json").read_text())
    assert set(rows["models"]) == {"noisy input", "mine"}  # trained with corruption: a denoiser too
    assert set(rows["codes"]) == {"mine", "6 principal components for mine"}
    assert "| 6 principal components for mine |" in run.output and "elbo" not in run.output
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names == {f"mine-{what}.png" for what in ("rebuilt", "map", "activity", "traversal")}
    for path in list((tmp_path / "pictures").iterdir()):
        path.write_bytes(b"mine")
    (tmp_path / "all.json").unlink()
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 1 and "mine-rebuilt.png: is there already: use --overwrite" in again.output
    assert all(path.read_bytes() == b"mine" for path in (tmp_path / "pictures").iterdir())
    assert not (tmp_path / "all.json").exists(), "it was told before anything was measured"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["conv_dae", "--clean", "samples/digits"], "conv_dae needs noisy recordings: give --pairs"),
        (["conv_dae", "--pairs", "samples", "--pictures", "x"], "--pictures and --components need an autoencoder"),
        (["digits", "--clean", "nowhere"], "nowhere: no audio found there"),
        (["digits", "--clean", "samples/digits", "--csv", "x.csv"], "--csv needs --pairs"),
        (["conv_dae", "--pairs", "samples", "--csv", "x", "--json", "x", "--overwrite"], "is given for two results"),
    ],
)
def test_mistakes_are_reported(arguments: list[str], told: str) -> None:
    run = CliRunner().invoke(main, ["evaluate", *arguments])
    assert run.exit_code in (1, 2) and told in run.output


def test_the_judge_of_the_package_names_digits() -> None:
    rows = families.tables([("digits", "digits")], [(p, p) for p in sorted(Path("samples/digits").glob("*.flac"))])
    assert rows["digits"]["accuracy"] >= 0.9
    with pytest.raises(ModelFileError, match="conv_dae: is a conv_dae, which does not classify: give a classifier"):
        audioae.load("conv_dae", family=audioae.Classifier)
    with pytest.raises(ModelFileError, match="conv_dae: is a conv_dae, which is measured by its sound alone"):
        families.tables([("conv_dae", "conv_dae")], files())
