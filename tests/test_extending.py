"""A new model kind or loss is one file in its family's folder and one recipe; each is added in a copy of the package."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

DENOISER = '''
"""A denoiser with one gain for each frame."""

import torch
from torch import Tensor, nn

from audioae.nn.settings import ModelConfig
from audioae.nn.trained import SpectralNetwork, State
from audioae.settings.config import Field


class Config(ModelConfig):
    """Settings."""

    hidden: int = Field(4, ge=1, le=64)


class Model(SpectralNetwork):
    """Noisy spectrum to clean spectrum."""

    receptive_field = 1

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 1))

    def initial_state(self, batch: int, channels: int, bins: int) -> State:
        """No state."""
        return {}

    def forward(self, spec: Tensor, state: State) -> tuple[Tensor, State]:
        """One gain for each frame."""
        level = spec.abs().square().mean((1, 2)).add(1e-9).log().unsqueeze(-1)
        return spec * torch.sigmoid(self.layers(level))[:, None, None, :, 0], {}
'''
LOSS = '''
"""A loss on waves that large errors do not dominate."""

from torch import Tensor
from torch.nn.functional import huber_loss


def huber(estimate: Tensor, target: Tensor, rate: int, delta: float = 0.1) -> Tensor:
    """Huber loss (Huber 1964)."""
    return huber_loss(estimate, target, delta=delta)
'''
GENERATOR = '''
"""A generator of one layer."""

from torch import Tensor, nn

from audioae.generators.network import GeneratorConfig, GeneratorNetwork, bounded


class Config(GeneratorConfig):
    """Settings."""


class Model(GeneratorNetwork):
    """Random numbers to images."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.layer = nn.Linear(config.latent, config.rows * config.frames)

    def forward(self, numbers: Tensor, labels: Tensor | None = None) -> Tensor:
        """Random numbers ``(B, Z)`` to images ``(B, 1, K, P)``."""
        image: Tensor = bounded(self.layer(numbers))
        return image.view(-1, 1, self.config.rows, self.config.frames)


class Critic(nn.Module):
    """Images to scores."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.layer = nn.Linear(config.rows * config.frames, 1)

    def forward(self, images: Tensor, labels: Tensor | None = None, level: int = 0) -> Tensor:
        """Images ``(B, 1, K, P)`` to scores ``(B,)``."""
        score: Tensor = self.layer(images.flatten(1))[:, 0]
        return score
'''
SHORT = "train: {steps: 2, log_every: 1, workers: 0, warmup: 0, threads: 1}\n"
SPEECH = "data: {batch_size: 2, seconds: 0.5, memory_mb: 100}\nvalid: {at_most: 1}\n" + SHORT
DIGITS = """
data: {clean: [samples/digits], noise: [], rir: [], rate: 8000, other_share: 0, crop: clip, label: 0, batch_size: 4,
  seconds: 1.024,
  augment: {clean_only: 1, noise_only: 0, reverb: {share: 0}}}
losses: {hinge: 1}
valid: {clean: [samples/digits], at_most: 4, measures: [sliced_wasserstein], best: sliced_wasserstein}
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with three new files, beside the samples."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "audioae", folder / "audioae", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    (folder / "audioae/weights").symlink_to(ROOT / "audioae/weights")
    (folder / "samples").symlink_to(ROOT / "samples")
    (folder / "audioae/denoisers/models/frame_gain.py").write_text(DENOISER)
    (folder / "audioae/denoisers/losses/robust.py").write_text(LOSS)
    (folder / "audioae/generators/models/one_layer.py").write_text(GENERATOR)
    (folder / "frame_gain.yaml").write_text(
        "model: {kind: frame_gain, hidden: 8}\nlosses: {huber: {weight: 2, delta: 0.2}}\n" + SPEECH
    )
    (folder / "one_layer.yaml").write_text("model: {kind: one_layer}\n" + DIGITS + SHORT)
    return folder


COMMANDS = """
train frame_gain.yaml --out runs/frame_gain --device cpu
denoise samples/noisy/16k-fire.flac -o clean.flac -m runs/frame_gain/best.safetensors
models runs/frame_gain/best.safetensors
train one_layer.yaml --out runs/one_layer --device cpu
generate -m runs/one_layer/best.safetensors -n 2 -o sounds
"""
PROGRAM = """
import sys
from audioae.cli.app import main
for line in sys.argv[1].strip().splitlines():
    main(line.split(), standalone_mode=False)
"""


@pytest.fixture(scope="module")
def said(checkout: Path) -> str:
    """Output of ``audioae`` of the copy for the commands, all in one process."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, COMMANDS]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_new_denoiser_is_trained_and_cleans(checkout: Path, said: str) -> None:
    assert (checkout / "clean.flac").stat().st_size > 1000
    assert '"hidden": 8' in said


@pytest.mark.usefixtures("said")
def test_a_new_loss_is_trained_with(checkout: Path) -> None:
    rows = [json.loads(line) for line in (checkout / "runs/frame_gain/log.jsonl").read_text().splitlines()]
    assert all(row["losses"]["huber"] > 0 for row in rows if "losses" in row)
    assert any("losses" in row for row in rows)


@pytest.mark.usefixtures("said")
def test_a_new_generator_is_trained_and_draws(checkout: Path) -> None:
    assert len(list((checkout / "sounds").iterdir())) == 2
