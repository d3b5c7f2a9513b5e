"""Trains the models of the reports, except the flagship denoisers, and variants for comparison."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SIZES = (8, 16, 32, 64)
TRAININGS: dict[str, tuple[str, list[str]]] = {
    "digits": ("digits", []),
    "undercomplete_1d": ("undercomplete_1d", []),
    **{f"undercomplete_1d_{size}": ("undercomplete_1d", [f"model.code={size}"]) for size in SIZES if size != 32},
    "undercomplete_2d": ("undercomplete_2d", []),
    "sparse_kl": ("sparse_kl", []),
    "dense_of_kl": ("sparse_kl", ["losses.kl_sparsity.weight=0"]),
    "sparse_l1": ("sparse_l1", []),
    "dense_of_l1": ("sparse_l1", ["losses.l1_sparsity=0", "model.activation=none"]),
    "sparse_top_k": ("sparse_l1", ["losses.l1_sparsity=0", "model.top_k=16", "model.activation=none"]),
    "contractive": ("contractive", []),
    "plain_of_contractive": ("contractive", ["losses.contractive=0"]),
    "denoising_1d": ("denoising_1d", []),
    "plain_of_denoising_1d": ("denoising_1d", ["corruption.noise=false"]),
    "denoising_2d": ("denoising_2d", []),
    "plain_of_denoising_2d": ("denoising_2d", ["corruption.noise=false"]),
    "stacked": ("stacked", []),
    "joint_of_stacked": ("stacked", ["train.stages=[]"]),
    "stacked_sparse_dae": ("stacked_sparse_dae", []),
    "plain_of_stacked_sparse_dae": ("stacked_sparse_dae", ["corruption.noise=false", "corruption.masking=0"]),
    "vae_1d": ("vae_1d", []),
    "plain_of_vae_1d": ("vae_1d", ["model.variational=false", "losses={reconstruction_mse: 1}"]),
    "vae_2d": ("vae_2d", []),
    "plain_of_vae_2d": ("vae_2d", ["model.variational=false", "losses={reconstruction_mse: 1}"]),
}
"""Recipe and overrides by the name of a model. Other models are trained by the recipe of the same name."""


def command(name: str, data: Path, runs: Path) -> list[str]:
    """Command line that trains a model."""
    recipe, overrides = TRAININGS.get(name, (name, []))
    if recipe in ("digits", "speakers") or recipe.endswith("gan"):
        # The weights are chosen by takes that neither the training nor the report uses.
        own = {"data.clean": [f"{data}/digits/*_[1-4][0-9].flac"], "valid.clean": [f"{data}/digits/*_[5-9].flac"]}
    elif recipe.startswith("vae"):
        own = {
            "data.clean": [f"{data}/digits/*_[5-9].flac", f"{data}/digits/*_[1-4][0-9].flac"],
            "valid.clean": [f"{data}/digits/*_[0-4].flac"],
        }
    else:
        # The mean activity should hold for speech without long pauses, of which two of the collections mostly consist.
        parts = [f"/{each}" for each in ("asterisk-en", "asterisk-fr", "kerstin")] if recipe == "sparse_kl" else [""]
        own = {"data.clean": [f"{data}/train/speech{part}" for part in parts], "valid.pairs": [f"{data}/valid/16k"]}
        if "dae" in recipe or "denoising" in recipe:
            own |= {"data.noise": [f"{data}/train/noise"], "data.rir": [f"{data}/train/rir"]}
    # JSON is YAML, whatever the paths hold.
    settings = [f"{key}={json.dumps(paths)}" for key, paths in own.items()]
    return [sys.executable, "-m", "audioae", "train", str(ROOT / f"recipes/{recipe}.yaml"), *settings, *overrides, "--out",
            str(runs / name)]  # fmt: skip


def train(names: Iterable[str], data: Path, runs: Path) -> None:
    """Train the models that do not exist yet."""
    for name in names:
        if not model_file(name, runs).is_file():
            subprocess.run(command(name, data, runs), check=True)


def model_file(name: str, runs: Path) -> Path:
    """The model's file, of this folder or of the package."""
    from audioae.weight_files import SHIPPED

    own = runs / name / "best.safetensors"
    return own if own.is_file() else SHIPPED / f"{name}.safetensors"
