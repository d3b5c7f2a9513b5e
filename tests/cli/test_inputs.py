"""No command replaces a file that it reads, also with ``--overwrite``."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from audioae.cli.app import main
from audioae.weight_files import SHIPPED

MODELS = ("conv1d_dae", "undercomplete_1d", "vae_1d", "dcgan")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder, the current one, with a recording, a pair, manifests, codes and models by all sorts of names."""
    monkeypatch.chdir(tmp_path)
    wave = np.random.default_rng(0).normal(0, 0.1, 4000)
    for folder in ("p/noisy", "p/clean", "e"):
        Path(folder).mkdir(parents=True)
    for name in ("f.wav", "000.wav", "p/noisy/a.wav", "p/clean/a.wav", "e/a.wav"):
        soundfile.write(name, wave, 8000)
    Path("m.csv").write_text("noisy,clean\np/noisy/a.wav,p/clean/a.wav\n")
    Path("p/pairs.csv").write_text("file,snr_db\na,5\n")
    Path("l.png").write_text('{"numbers": [0]}')
    for name in MODELS:
        shutil.copy(SHIPPED / f"{name}.safetensors", f"{name}.wav")
        shutil.copy(SHIPPED / f"{name}.safetensors", f"{name}.npz")
    (tmp_path / "g").mkdir()
    shutil.copy(SHIPPED / "vae_1d.safetensors", "g/000.wav")
    yield tmp_path


MEASURE = "--pairs p --measure si_sdr --overwrite"
COMMANDS = [
    "denoise f.wav -m conv1d_dae.wav -o conv1d_dae.wav --overwrite",
    "denoise f.wav -m conv1d_dae.wav -o o.wav --save-removed conv1d_dae.wav --overwrite",
    "denoise f.wav -m conv1d_dae.npz -o o.wav --report conv1d_dae.npz --overwrite",
    "encode f.wav -m undercomplete_1d.npz -o undercomplete_1d.npz --overwrite",
    "encode f.wav -m undercomplete_1d -o f.wav --overwrite",
    "decode f.wav -m undercomplete_1d.wav -o undercomplete_1d.wav --overwrite",
    "reconstruct f.wav -m undercomplete_1d.wav -o undercomplete_1d.wav --overwrite",
    "reconstruct f.wav -m undercomplete_1d.wav -o o.wav --plot undercomplete_1d.wav --overwrite",
    "interpolate 000.wav f.wav -m vae_1d -o . --steps 2 --overwrite",
    "interpolate f.wav f.wav -m g/000.wav -o g --steps 2 --overwrite",
    "generate -m g/000.wav -n 1 -o g --overwrite",
    "generate -m dcgan --latent l.png --plot l.png -o new --overwrite",
    "adapt -m conv1d_dae.npz --noise f.wav -o conv1d_dae.npz --overwrite",
    "export -m conv1d_dae.npz -o conv1d_dae.npz --overwrite",
    "evaluate conv1d_dae --pairs m.csv --measure si_sdr --csv m.csv --overwrite",
    f"evaluate conv1d_dae.npz {MEASURE} --json conv1d_dae.npz",
    f"evaluate conv1d_dae {MEASURE} --markdown p/noisy/a.wav",
    f"evaluate conv1d_dae {MEASURE} --csv p/clean/a.wav",
    f"evaluate conv1d_dae {MEASURE} --csv p/pairs.csv",
    f"evaluate conv1d_dae {MEASURE} --entry e=e --csv e/a.wav",
    "evaluate --recordings f.wav --measure dnsmos_sig --csv f.wav --overwrite",
    "evaluate undercomplete_1d --clean f.wav --json f.wav --overwrite",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_read_is_never_replaced(here: Path, command: str) -> None:
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    done = CliRunner().invoke(main, command.split())
    assert done.exit_code == 1 and "is the input itself: give the result another name" in done.output
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
