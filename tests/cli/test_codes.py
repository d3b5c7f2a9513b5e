"""The commands of autoencoders: correct and wrong use."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from audioae.cli.app import main

TEXT = """
model: {kind: autoencoder, code: 6, widths: [4], strides: [2], variational: true}
losses: {reconstruction_mse: 1}
valid: {measures: [reconstruction_error], best: reconstruction_error}
"""
pytestmark = pytest.mark.usefixtures("root")
SPEECH, OTHER = "samples/clean/16k-fire.flac", "samples/clean/16k-rain.flac"


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def model_file(untrained: Callable[[str, str], Path]) -> Path:
    return untrained("vae", TEXT)


def test_encoding_and_decoding(model_file: Path, tmp_path: Path) -> None:
    codes, sound = tmp_path / "codes.npz", tmp_path / "sound.wav"
    assert "18 codes of 6 numbers, 1 channel" in run("encode", SPEECH, "-m", model_file, "-o", codes).output
    held = np.load(codes)
    assert held["values"].shape == (1, 18, 6) and held["times"][1] == pytest.approx(0.256)
    refused = run("decode", codes, "-o", sound, code=1).output
    assert f"{codes}: the codes were made by 'vae', which is not in the package: give its model file" in refused
    run("decode", codes, "-m", model_file, "-o", sound)
    assert soundfile.info(sound).frames == soundfile.info(SPEECH).frames
    run("reconstruct", SPEECH, "-m", model_file, "-o", tmp_path / "r.flac", "--plot", tmp_path / "r.png")
    assert soundfile.info(tmp_path / "r.flac").frames == soundfile.info(SPEECH).frames
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


def test_sampling_and_interpolation(model_file: Path, tmp_path: Path) -> None:
    run("sample", "-m", model_file, "-n", 3, "--seed", 4, "-o", tmp_path / "new")
    assert [p.name for p in sorted((tmp_path / "new").iterdir())] == ["000.wav", "001.wav", "002.wav"]
    assert "use --overwrite" in run("sample", "-m", model_file, "-n", 3, "-o", tmp_path / "new", code=1).output
    first = (tmp_path / "new/001.wav").read_bytes()
    run("sample", "-m", model_file, "-n", 3, "--seed", 4, "-o", tmp_path / "new", "--overwrite")
    assert (tmp_path / "new/001.wav").read_bytes() == first
    run("interpolate", SPEECH, OTHER, "-m", model_file, "--steps", 3, "-o", tmp_path / "between")
    assert len(list((tmp_path / "between").iterdir())) == 3


def test_wrong_use_is_reported_in_one_line(model_file: Path, tmp_path: Path) -> None:
    for arguments, told in [
        (["encode", SPEECH, "-m", "conv_dae", "-o", tmp_path / "x.npz"], "conv_dae: is a conv_dae, which has no codes"),
        (["encode", tmp_path / "no.wav", "-m", model_file, "-o", tmp_path / "x.npz"], "there is no such file"),
        (["encode", SPEECH, "-m", model_file, "-o", tmp_path / "no/x.npz"], "there is no folder"),
        (["decode", SPEECH, "-m", model_file, "-o", tmp_path / "x.wav"], "not codes that `audioae encode` wrote"),
        (["denoise", SPEECH, "--model", model_file, "-o", tmp_path / "x.wav"], "was not trained on noise"),
        (["reconstruct", SPEECH, "-m", model_file, "-o", tmp_path / "x.txt"], "unknown ending '.txt'"),
        (["reconstruct", SPEECH, "-m", model_file, "-o", SPEECH, "--overwrite"], "is the input itself"),
    ]:
        output = run(*arguments, code=1).output.strip()
        assert told in output and "\n" not in output
    assert {p.name for p in tmp_path.iterdir()} == {"vae.safetensors"}
