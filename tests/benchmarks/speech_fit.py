"""Fits the weights of audioae/signal/activity.json to mixtures of speech and noise, each cleaned by several models.

    python tests/benchmarks/speech_fit.py --speech SPEECH/*=2 --noise NOISE/* --out audioae/signal/activity.json

A folder may have a weight: FOLDER=WEIGHT is that many times as likely as FOLDER. The last sixth of the mixtures is held out:
the thresholds of audioae/signal/speech.py are compared on it.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from speech_truth import STEP_SECONDS, f1, joined, matches, spans, speech_frames
from tables import table
from torch import nn

import audioae
from audioae.signal import speech
from audioae.signal.activity import AVERAGES, PAST, ActivityFeatures, silence
from audioae.signal.levels import active_rms, from_db, rms
from audioae.signal.resample import resample

Wave = NDArray[np.float32]
Folders = list[tuple[list[Path], float]]
SECONDS = 24.0
"""Length of a mixture."""
LONGEST = 12.0
"""Longest part of a recording of speech."""
RATES = (8_000, 16_000, 16_000, 16_000, 44_100, 48_000)
ENDINGS = (".flac", ".ogg", ".wav")
HELD_OUT = 6


def folders(given: list[str]) -> Folders:
    """Recordings of each folder with its weight."""
    found = []
    for text in given:
        name, _, weight = text.partition("=")
        files = sorted(path for path in Path(name).rglob("*") if path.suffix in ENDINGS)
        if files:
            found.append((files, float(weight or 1)))
    return found


def drawn(among: Folders, rng: np.random.Generator) -> list[Path]:
    """A folder, by the weights."""
    shares = np.array([weight for _, weight in among])
    return among[rng.choice(len(among), p=shares / shares.sum())][0]


def read(path: Path, rate: int, seconds: float, rng: np.random.Generator) -> Wave:
    """A part of a recording, one channel."""
    info = soundfile.info(path)
    frames = int(seconds * info.samplerate)
    start = int(rng.integers(max(1, info.frames - frames)))
    wave, own = soundfile.read(path, frames, start, dtype="float32", always_2d=True)
    return resample(wave[:, 0], own, rate)


def talk(among: Folders, rate: int, rng: np.random.Generator) -> tuple[Wave, NDArray[np.bool_]]:
    """Sentences of one folder with pauses between them, at 0 dB +-3, and which 10 ms of them hold speech."""
    samples, step = int(SECONDS * rate), round(STEP_SECONDS * rate)
    wave, flags = np.zeros(samples, np.float32), np.zeros(samples // step, bool)
    if rng.random() < 0.04:
        return wave, flags
    files = drawn(among, rng)
    at = round(rng.exponential(100)) * step if rng.random() < 0.75 else 0
    while at < samples:
        part = read(files[rng.integers(len(files))], rate, LONGEST, rng)
        level = active_rms(part, rate)
        if level < 1e-4:
            continue
        gain = from_db(rng.uniform(-3, 3)) / level
        part = part[: samples - at]
        wave[at : at + len(part)] = part * gain
        own = speech_frames(part, rate, 20 * np.log10(level))[: len(flags) - at // step]
        flags[at // step : at // step + len(own)] |= own
        pause = rng.exponential(120) if rng.random() < 0.6 else rng.uniform(0, 30)
        at += (len(part) // step + 1 + round(pause)) * step
    return wave, joined(flags)


def noise(among: Folders, rate: int, rng: np.random.Generator) -> Wave:
    """One or two noises as long as a mixture at 0 dB, or clicks and tones with pauses whose active level is 0 dB."""
    samples = int(SECONDS * rate)
    while True:
        files = drawn(among, rng)
        wave = read(files[rng.integers(len(files))], rate, SECONDS, rng)
        if len(wave) > rate / 10 and rms(wave) > 1e-5:
            break
    short = len(wave) < 5 * rate
    if short and rng.random() < 0.4:
        wave = np.pad(wave, (0, int(rng.exponential(1) * rate)))
    return np.resize(wave, samples) / np.float32(active_rms(wave, rate) if short else rms(wave))


def mixture(speech_in: Folders, noise_in: Folders, rng: np.random.Generator) -> tuple[int, Wave, NDArray[np.bool_]]:
    """A rate, a mixture at a random level, and which 10 ms of it hold speech."""
    rate = int(rng.choice(RATES))
    wave, flags = talk(speech_in, rate, rng)
    if rng.random() < 0.85:  # otherwise it is digitally silent in pauses
        wave = wave + from_db(rng.uniform(-75, -38)) * rng.standard_normal(len(wave)).astype(np.float32)
    if rng.random() < 0.9:
        snr = rng.uniform(-8, 22)
        for number in range(1 if rng.random() < 0.75 else 2):
            wave = wave + from_db(-snr - 6 * number) * noise(noise_in, rate, rng)
    mixed = (wave * from_db(rng.uniform(-42, -14))).clip(-1, 1)
    return rate, mixed.astype(np.float32), flags


def averages(frames: Wave) -> Wave:
    """Features of frames ``(T, FEATURES)`` to inputs of the network, ``(T, len(AVERAGES))``."""
    before = silence(1, 1, PAST)[0, 0]
    sums = np.cumsum(np.concatenate([np.zeros_like(before[:1]), before, frames]), axis=0, dtype=np.float64)
    first, end = PAST + 1, len(sums)
    columns = [(sums[first:end, f] - sums[first - span : end - span, f]) / span for f, span in AVERAGES]
    return np.stack(columns, axis=1).astype(np.float32)


class Scene:
    """Features of a mixture that a model cleaned, and the truth by frames of features and of 10 ms."""

    def __init__(self, rate: int, mixed: Wave, flags: NDArray[np.bool_], model: audioae.Denoiser) -> None:
        features = ActivityFeatures(rate)
        clean = np.asarray(audioae.denoise(mixed, rate, model), np.float32)
        self.features = averages(features.feed(mixed[None, None], clean[None, None])[0, 0])
        self.flags, self.frame = flags, features.frame / rate
        middle = (np.arange(len(self.features)) + 0.5) * self.frame
        self.truth = flags[np.minimum((middle / STEP_SECONDS).astype(int), len(flags) - 1)]


def fit(scenes: list[Scene], hidden: int, epochs: int) -> nn.Sequential:
    """Fit the network to unscaled features."""
    inputs = np.concatenate([scene.features for scene in scenes])
    truth = torch.from_numpy(np.concatenate([scene.truth for scene in scenes]).astype(np.float32))
    mean, scale = torch.from_numpy(inputs.mean(0)), torch.from_numpy(inputs.std(0) + 1e-3)
    rows = (torch.from_numpy(inputs) - mean) / scale
    network = nn.Sequential(nn.Linear(rows.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1))
    optimizer = torch.optim.AdamW(network.parameters(), 4e-3, weight_decay=1e-3)
    size = 2048
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * (len(rows) // size))
    for _ in range(epochs):
        order = torch.randperm(len(rows))
        for at in range(0, len(rows) - size + 1, size):
            chosen = order[at : at + size]
            loss = nn.functional.binary_cross_entropy_with_logits(network(rows[chosen])[:, 0], truth[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    first = network[0]
    with torch.no_grad():  # the features' mean and scale go into the first layer
        first.weight /= scale
        first.bias -= first.weight @ mean
    return network


def probabilities(network: nn.Sequential, scene: Scene) -> Wave:
    with torch.inference_mode():
        return network(torch.from_numpy(scene.features))[:, 0].sigmoid().numpy()


def compare_thresholds(network: nn.Sequential, scenes: list[Scene]) -> None:
    """Print the F1 score of segments by thresholds, and how far their starts and ends are from the true ones."""
    made = [(scene, probabilities(network, scene)) for scene in scenes]
    rows: list[list[object]] = []
    for enter, leave, shortest in itertools.product((0.4, 0.5, 0.6, 0.7), (0.2, 0.3, 0.4, 0.5), (0.06, 0.1, 0.15)):
        if leave > enter:
            continue
        speech.ENTER, speech.LEAVE, speech.SHORTEST_SPEECH = enter, leave, shortest
        counts, offsets = np.zeros(3, int), []
        for scene, values in made:
            segmenter = speech.Segmenter(scene.frame)
            found = [*segmenter.feed(values.tolist()), *segmenter.flush()]
            true = spans(scene.flags)
            counts = counts + matches(found, true)
            for begin, end in true:
                near = [each for each in found if abs(each.start - begin) < 0.15 and abs(each.end - end) < 0.15]
                offsets += [(each.start - begin, each.end - end) for each in near]
        starts, ends = 1000 * np.median(np.array(offsets), axis=0)
        rows.append([enter, leave, shortest, f1(counts), float(starts), float(ends)])
    rows.sort(key=lambda row: -float(str(row[3])))
    table(["enter", "leave", "shortest speech s", "F1", "start late by ms", "end late by ms"], rows[:12])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", nargs="+", required=True, metavar="FOLDER[=WEIGHT]", help="clean speech")
    parser.add_argument("--noise", nargs="+", required=True, metavar="FOLDER[=WEIGHT]", help="noise")
    parser.add_argument("--models", nargs="+", default=["conv_dae_offline", "conv_dae"])
    parser.add_argument("--minutes", type=float, default=200)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rng, _ = np.random.default_rng(given.seed), torch.manual_seed(given.seed)
    torch.set_num_threads(1)
    models = [audioae.load(name, family=audioae.Denoiser) for name in given.models]
    speech_in, noise_in = folders(given.speech), folders(given.noise)
    scenes: list[Scene] = []
    for number in range(int(given.minutes * 60 / SECONDS)):
        drawn_now = mixture(speech_in, noise_in, rng)
        scenes += [Scene(*drawn_now, model) for model in models]
        if number % 50 == 0:
            print(f"{number * SECONDS / 60:.0f} min", flush=True)
    kept = len(scenes) // len(models) * (HELD_OUT - 1) // HELD_OUT * len(models)
    network = fit(scenes[:kept], given.hidden, given.epochs)
    for name, part in (("fitted", scenes[:kept]), ("held out", scenes[kept:])):
        for number, model in enumerate(given.models):
            own = part[number :: len(models)]
            values = np.concatenate([probabilities(network, scene) for scene in own])
            area = roc_auc_score(np.concatenate([scene.truth for scene in own]), values)
            print(f"{name}, {model}: ROC AUC {area:.4f} ({sum(len(scene.truth) for scene in own)} frames)")
    first, last = network[0], network[2]
    arrays = {"hidden": first.weight.T, "bias": first.bias, "out": last.weight[0]}
    content = {name: [_rounded(row) for row in value.tolist()] for name, value in arrays.items()}
    lines = [
        f' "{name}": {json.dumps(value)}' for name, value in {**content, "out_bias": _rounded(last.bias.item())}.items()
    ]
    given.out.write_text("{\n" + ",\n".join(lines).replace("], [", "],\n  [") + "\n}\n")
    compare_thresholds(network, scenes[kept:])


def _rounded(value: object) -> object:
    return [_rounded(each) for each in value] if isinstance(value, list) else float(f"{value:.4g}")


if __name__ == "__main__":
    main()
