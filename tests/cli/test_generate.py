"""``audioae generate``: correct and wrong use."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

import audioae
from audioae.cli.app import main

TEXT = """
model: {kind: cgan, widths: [16, 8], critic_widths: [8, 16], latent: 8, classes: [a, b]}
data: {label: 0, crop: clip, augment: {noise_only: 0}}
losses: {hinge: 1}
valid: {clean: [samples/digits], measures: [sliced_wasserstein], best: sliced_wasserstein}
"""
pytestmark = pytest.mark.usefixtures("root")


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["generate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def model_file(untrained: Callable[[str, str], Path]) -> Path:
    return untrained("gan", TEXT)


def test_sounds_are_those_of_the_seed(model_file: Path, tmp_path: Path) -> None:
    run(model_file, "-n", 3, "--seed", 4, "-o", tmp_path / "a", "--plot", tmp_path / "grid.png")
    run(model_file, "-n", 3, "--seed", 4, "-o", tmp_path / "b")
    run(model_file, "-n", 3, "--seed", 5, "-o", tmp_path / "c")
    sounds = {name: [(tmp_path / name / f"{n:03d}.wav").read_bytes() for n in range(3)] for name in "abc"}
    assert sounds["a"] == sounds["b"] != sounds["c"]
    info = soundfile.info(tmp_path / "a/000.wav")
    assert (info.frames, info.samplerate, info.channels) == (64 * 128, 8000, 1)
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")
    assert "use --overwrite" in run(model_file, "-o", tmp_path / "a", code=1).output
    assert "names one file" in run(model_file, "-o", tmp_path / "a.wav", code=2).output


def test_a_single_sound_goes_to_a_folder_or_to_a_file(model_file: Path, tmp_path: Path) -> None:
    run(model_file, "-n", 1, "--seed", 4, "-o", tmp_path / "folder")
    run(model_file, "-n", 1, "--seed", 4, "-o", tmp_path / "one.wav")
    run(model_file, "-n", 1, "--seed", 4, "-o", tmp_path / "one.flac")
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "folder/000.wav").read_bytes()
    assert soundfile.info(tmp_path / "one.flac").frames == 64 * 128
    assert "use --overwrite" in run(model_file, "-n", 1, "-o", tmp_path / "one.wav", code=1).output


def test_classes_and_truncation_change_the_sounds(model_file: Path) -> None:
    a, b = (audioae.generate(model_file, 2, label=label)[0] for label in "ab")
    assert not np.allclose(a, b)
    near, far = (audioae.generate(model_file, 12, truncation=limit)[0] for limit in (0.05, 6.0))
    assert near.std(0).mean() < far.std(0).mean()


def test_interpolation_is_continuous(model_file: Path) -> None:
    for model in (model_file, "dcgan"):  # of classes, and of groups
        images = audioae.load(model, family=audioae.Generator).images_and_waves(9, between=True)[0]
        steps = np.abs(np.diff(images, axis=0)).mean((1, 2))
        assert steps.max() < 0.6 * np.abs(images[-1] - images[0]).mean()


def test_wrong_use_is_reported_in_one_line(model_file: Path, tmp_path: Path) -> None:
    for arguments, told in [
        ([model_file, "--class", "7"], "class '7': not one of gan: its classes are a, b"),
        ([model_file, "--truncation", "0"], "truncation 0.0: give a number from 0.05 to 6"),
        (["conv_dae"], "conv_dae: is a conv_dae, which does not generate sounds: give a generator"),
        (["no_gan"], "no_gan: is neither a model in the package nor a file"),
    ]:
        output = run(*arguments, "-o", tmp_path / "out", code=1).output.strip()
        assert told in output and "\n" not in output
    assert {p.name for p in tmp_path.iterdir()} == {"gan.safetensors"}
    assert (
        "does not remove noise"
        in CliRunner().invoke(main, ["denoise", "samples/noisy/16k-fire.flac", "--model", str(model_file)]).output
    )


def test_a_file_of_latent_numbers_reproduces_a_sound(model_file: Path, tmp_path: Path) -> None:
    import json

    from audioae.signal.seeds import generator

    model = audioae.load(model_file)
    numbers = model.network.draw(1, generator(4))[0].tolist()
    path = tmp_path / "sound.json"
    path.write_text(json.dumps({"numbers": numbers, "class": "b", "seed": 4}))
    run(model_file, "--latent", path, "-o", tmp_path / "made")
    run(model_file, "-n", 1, "--seed", 4, "--class", "b", "-o", tmp_path / "drawn")
    assert (tmp_path / "made" / "000.wav").read_bytes() == (tmp_path / "drawn" / "000.wav").read_bytes()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "not a JSON object with a list `numbers`"),
        ('{"numbers": [1, "a"]}', "not a JSON object with a list `numbers`"),
        ('{"numbers": [NaN]}', "not a JSON object with a list `numbers`"),
        ('{"numbers": [1e9]}', "from -100 to 100"),
        ('{"numbers": [1, 2], "class": "a"}', "2 numbers, but gan takes 8"),
        ('{"numbers": [1, 2, 3, 4, 5, 6, 7, 8]}', "class None: not one of gan: its classes are a, b"),
        ('{"numbers": [1], "seed": "x"}', "`seed` a whole number"),
        ("[" * 100_000, "not a JSON object"),
    ],
)
def test_invalid_files_of_latent_numbers_are_rejected(model_file: Path, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "sound.json"
    path.write_text(text)
    assert f"{path}: " in (output := run(model_file, "--latent", path, "-o", tmp_path / "made", code=1).output)
    assert says in output and not (tmp_path / "made").exists()


def test_options_that_conflict_with_latent_are_rejected(model_file: Path, tmp_path: Path) -> None:
    assert (
        "--seed has no effect with --latent" in run(model_file, "--latent", "x", "--seed", 1, "-o", tmp_path, code=2).output
    )
