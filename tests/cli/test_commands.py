"""``audioae train``, ``models`` and ``evaluate`` at the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audioae.cli.app import main
from audioae.cli.train import Duration
from audioae.modelfile import shipped
from audioae.weight_files import SHIPPED

pytestmark = pytest.mark.usefixtures("root")
SMALL = ["train.steps=2", "data.seconds=0.5", "data.batch_size=2", "valid.at_most=1", "model.channels=8"]


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def test_a_trained_model_cleans(tmp_path: Path) -> None:
    run("train", "recipes/conv_dae.yaml", *SMALL, "--out", tmp_path / "run", "--device", "cpu")
    run("denoise", "samples/noisy/8k-fire.flac", "-o", tmp_path / "a.wav", "--model", tmp_path / "run/best.safetensors")


def test_all_mistakes_of_a_recipe_are_reported_with_their_places(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("seed: x\nmodel: {kind: conv_day}\nlosses: {si_srd: 1}\ntrain: {stepz: 3}\n")
    lines = run("train", recipe, "data.rate=12", code=1).output.splitlines()
    for start in (f"audioae: {recipe}:1:7: seed", f"{recipe}:2:15: model.kind", f"{recipe}:3:10: losses.si_srd",
                  f"{recipe}:4:9: train.stepz: unknown key; did you mean 'steps'?", "override 'data.rate=12'"):  # fmt: skip
        assert any(line.startswith(start) for line in lines), (start, lines)
    assert "no such file" in run("train", "recipes/none.yaml", code=1).output
    assert "is not a duration" in run("train", "recipes/conv_dae.yaml", "--budget", "soon", code=2).output


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45", 45), ("0.5h", 1800), ("1d", 86400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


def test_models_lists_models_with_their_figures() -> None:
    output = run("models").output
    assert "(default)" in output.splitlines()[1] and "8-192 kHz" in output and "32 ms" in output
    for name in shipped():
        assert name in output
        assert (SHIPPED / f"{name}.md").is_file()
        described = run("models", name).output
        assert '"kind"' in described and "licence" in described.lower()
    assert "pesq" in output and "si_sdr" in output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_as_standard_output_is_reported_in_one_line() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "audioae", "models"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "audioae: standard output: cannot write: No space left on device\n"
