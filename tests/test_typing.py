"""Type checking: the README's programs are typed, and nothing that the package returns is ``Any``."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "recipes/report/onnx.md")
PROGRAMS = [text for page in PAGES for text in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)]
CALLER = """
import audioae
import numpy as np
import torch
from pathlib import Path

wave = np.zeros(16000, np.float32)
reveal_type(audioae.denoise(wave, 16000))
reveal_type(audioae.denoise(torch.zeros(16000), 16000, model=audioae.load()))
reveal_type(audioae.denoise(wave, 16000, model=Path("model.safetensors")))
denoiser = audioae.load()
reveal_type(denoiser)
reveal_type(denoiser(wave, 16000))
reveal_type(denoiser.step(torch.zeros(1, 1, 256), denoiser.initial_state(1, 1, 16000), 16000))
reveal_type(denoiser.settings.latency)
by_onnx = audioae.load("conv_dae", backend="onnx")
reveal_type(by_onnx)
reveal_type(by_onnx(wave, 16000))
reveal_type(audioae.denoise(torch.zeros(16000), 16000, model=by_onnx))
reveal_type(audioae.Streamer(by_onnx, 16000).feed(wave))
streamer = audioae.Streamer(denoiser, 16000)
reveal_type(audioae.Streamer("conv_dae", 16000).feed(wave))
reveal_type(audioae.load(denoiser))
reveal_type(streamer.feed(wave))
reveal_type(streamer.flush())
reveal_type(streamer.state)
autoencoder = audioae.load("vae_2d", family=audioae.Autoencoder)
reveal_type(autoencoder)
codes = autoencoder.encode(wave, 16000)
reveal_type(codes.values)
reveal_type(autoencoder.decode(codes))
reveal_type(autoencoder.reconstruct(wave, 16000))
reveal_type(autoencoder.sample(2))
reveal_type(autoencoder.settings.code)
reveal_type(audioae.encode(wave, 16000, autoencoder))
reveal_type(audioae.encode(wave, 16000, "vae_2d"))
reveal_type(audioae.interpolate(codes, codes))
generator = audioae.load("cgan", family=audioae.Generator)
reveal_type(generator.generate(2, label="7"))
reveal_type(audioae.generate(generator))
reveal_type(audioae.generate(autoencoder, patches=2))
classifier = audioae.load("digits", family=audioae.Classifier)
reveal_type(classifier.probabilities([wave], 8000))
"""
WRONG = """
import audioae

audioae.load("vae_2d", family=audioae.Generator).encode(0)
audioae.load().generate()
audioae.Streamer(audioae.load("cgan", family=audioae.Generator), 16000)
"""


def checked(folder: Path, **programs: str) -> str:
    """Output of mypy in strict mode."""
    for name, text in programs.items():
        (folder / f"{name}.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
        *sorted(programs),
    ]
    words = [f"{name}.py" if name in programs else name for name in command]
    (folder / "mypy.ini").write_text("[mypy]\n[mypy-soundfile.*,onnxruntime.*]\nignore_missing_imports = True\n")
    environment = {"MYPYPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    readme = {f"readme_{number}": text for number, text in enumerate(PROGRAMS)}
    return checked(tmp_path_factory.mktemp("programs"), caller=CALLER, wrong=WRONG, **readme)


def lines(said: str, file: str, kind: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(file) and f": {kind}: " in line]


def test_the_readmes_programs_are_typed(said: str) -> None:
    assert PROGRAMS and not lines(said, "readme_", "error"), said


def test_a_strict_caller_sees_no_any(said: str) -> None:
    assert not lines(said, "caller", "error"), said
    revealed = lines(said, "caller", "note")
    assert len(revealed) == CALLER.count("reveal_type(")
    for line in revealed:
        # numpy's names for any shape and any type of numbers
        assert "Any" not in line.replace("tuple[Any, ...]", "").replace("generic[Any]", ""), line


def test_a_model_has_only_methods_of_its_family(said: str) -> None:
    errors = lines(said, "wrong", "error")
    assert {int(line.split(":")[1]) for line in errors} == {4, 5, 6}, said
    assert 'Argument 1 to "Streamer" has incompatible type "Generator"' in errors[-1]
