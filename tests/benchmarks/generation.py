"""Spoken digits for the report on autoencoders: distances of samples to real ones, and classification of codes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

SEED = 0


def frechet_table(judge, models: Sequence, digits: dict[str, list[Path]]) -> tuple[dict[str, float], float, int]:
    """Distances to real test recordings, the judge's accuracy on these, and the number of sounds on each side."""

    from audioae.audio.files import read
    from audioae.generators.frechet import frechet_distance
    from audioae.runtime.codes import sample

    test = digits["test"]
    seconds = judge.settings.frames * 0.016
    real = [read(path) for path in test]
    rate = real[0][1]
    target = judge.embed([wave[:, 0] for wave, _ in real], rate)
    rng = np.random.default_rng(SEED)
    others = [digits["train"][i] for i in rng.choice(len(digits["train"]), len(test), replace=False)]
    sounds = {"real training recordings": [read(path)[0][:, 0] for path in others]}
    for model in models:
        waves, at = sample(model, len(test), SEED)
        assert at == rate
        sounds[model.name] = list(waves)
    length = round(seconds * rate)
    sounds["shuffled"] = [shuffled(rng, np.pad(wave[:length, 0], (0, max(0, length - len(wave))))) for wave, _ in real]
    sounds["noise"] = [0.05 * rng.standard_normal(length).astype(np.float32) for _ in test]
    distances = {name: frechet_distance(judge.embed(each, rate), target) for name, each in sounds.items()}
    return distances, judge.accuracy(test), len(test)


def shuffled(rng: np.random.Generator, wave: np.ndarray) -> np.ndarray:
    """The recording with the bins of its spectrogram in a random order, the same at all times."""
    from audioae.signal.stft import STFT

    stft = STFT(8000)
    spec = stft(torch.from_numpy(wave)[None, None])
    order = torch.from_numpy(rng.permutation(spec.shape[2]))
    return stft.inverse(spec[:, :, order], len(wave))[0, 0].numpy()


def digit_accuracy(models: Sequence, digits: dict[str, list[Path]]) -> dict[str, float]:
    """Share of digits that a logistic regression names from codes of the first patch, or from its principal components."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from audioae.autoencoders.evaluation import codes_of, held_out

    right = {part: [path.stem.split("_")[0] for path in paths] for part, paths in digits.items()}

    def accuracy(codes: dict[str, np.ndarray]) -> float:
        judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
        judge.fit(codes["train"], right["train"])
        return float(judge.score(codes["test"], right["test"]))

    rows = {}
    first = {}
    for model in models:
        codes = {}
        for part, paths in digits.items():
            patches = held_out(model, [(path, path) for path in paths])
            start = np.unique(patches.files, return_index=True)[1]
            codes[part] = codes_of(model, patches)[start]
            first[part] = patches.wanted.flatten(1).numpy()[start]
        rows[model.name] = accuracy(codes)
    size = models[0].settings.code
    components = PCA(size, random_state=SEED).fit(first["train"])
    rows[f"{size} principal components"] = accuracy({part: components.transform(each) for part, each in first.items()})
    return rows
