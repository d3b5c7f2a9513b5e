"""Evaluates the generators of the package, and writes the report on them: ``python tests/benchmarks/generators.py DATA``.

DATA holds digits. Models that are in RUNS are taken from there, the others from the package; each is trained by its recipe.
"""

import itertools
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from reports import Report, arguments
from sounds import JUDGES, flatness, matched_noise, nearest, quantiles, rms
from trainings import train

CLIPS = 1000
DRAWS = 3
NAMES = ("vanilla_gan", "dcgan", "cgan", "lapgan")
REAL, TRAINING, NOISE, AGAIN, COPIES = (
    "real, not trained on",
    "real, trained on",
    "noise of the same spectrum",
    "real, through the codec",
    "trained on, through the codec",
)


class Generators(Report):
    """Measurements and their Markdown tables."""

    title = "Generators: drawn and real spoken digits"
    sections = ("judges", "codec", "sounds", "draws", "classes", "memory", "levels", "loudness_and_colour", "pictures")

    def __init__(self, data: Path, runs: Path, out: Path) -> None:
        super().__init__(data, runs, out)
        self.digits["train"] = [path for path in self.digits["train"] if int(path.stem.split("_")[2]) >= 10]
        self.heard = cache(self._heard)
        self.beside = cache(self._beside)

    def head(self) -> None:
        self.say(
            f"Made by `python tests/benchmarks/generators.py DATA`: {CLIPS:,} clips of each generator beside the",
            f"{len(self.digits['test'])} recordings of takes 0 to 4. Judges and generators were trained on takes",
            "10 to 49; takes 5 to 9 decided which of their weights were kept, and lapgan's `detail`. The settings of the",
            "recipes (losses, widths, groups, steps) were found earlier, while looking at takes 0 to 4. Rows are of 1,000",
            f"clips, those of real ones that nothing was trained on of {len(self.digits['test'])}, through the codec too.",
        )

    def judges(self) -> None:
        self.say("Classifiers trained by `audioae train`, and their accuracy on those recordings.")
        self.table({name: {"accuracy": self.judge(name).accuracy(self.digits["test"])} for name in JUDGES})

    def codec(self) -> None:
        from audioae.generators.frechet import frechet_distance

        waves = self.heard(AGAIN)
        judge = self.judge("digits")
        named = judge.probabilities(waves, 8000).argmax(1)
        right = np.mean([str(n) == path.stem.split("_")[0] for n, path in zip(named, self.digits["test"], strict=True)])
        distance = frechet_distance(judge.embed(waves, 8000), judge.embed(self.heard(REAL), 8000))
        self.say(
            "The codec limits all generators: real recordings, through images and Griffin-Lim, have a Frechet distance",
            f"of {distance:.2f} to themselves, and the judge names {right:.1%} of them right.",
        )

    def sounds(self) -> None:
        rows = {}
        for name in (REAL, TRAINING, AGAIN, NOISE, *NAMES):
            digits, speakers = (self.beside(name, judge) for judge in JUDGES)
            rows[name] = {
                "frechet": digits.frechet,
                "inception": digits.inception,
                "diversity": digits.diversity,
                "digits that appear": float(len(np.unique(digits.named))),
                "frechet of speakers": speakers.frechet,
                "inception of speakers": speakers.inception,
            }
        self.say(
            "Frechet distance and diversity are in the embedding of a judge; inception goes from 1 to the number of classes."
        )
        self.table(rows)
        limit, floor, score = rows[NOISE]["frechet"] / 3, rows[TRAINING]["frechet"], rows[REAL]["inception"]
        for name in NAMES:
            row = rows[name]
            self.verdict(
                (f"{name}: distance at most a third of that of noise ({limit:.1f})", row["frechet"] <= limit),
                (f"{name}: distance above that of real ones ({floor:.1f})", row["frechet"] > floor),
                (f"{name}: differ at least 70 % as much as real ones", row["diversity"] >= 0.7),
                (f"{name}: all ten digits appear", row["digits that appear"] == 10),
                *(
                    []
                    if name == "vanilla_gan"
                    else [
                        (f"{name}: inception at least half of real's ({score / 2:.2f})", row["inception"] >= score / 2),
                    ]
                ),
            )

    def draws(self) -> None:
        def distance(name: str, seed: int) -> float:
            waves = self.heard(name) if seed == 0 else list(self.load(name).draw(CLIPS, seed)[1].numpy())
            return ClassifierFigures(self.judge("digits"), waves, self.heard(REAL)).frechet

        rows = {name: {f"seed {seed}": distance(name, seed) for seed in range(DRAWS)} for name in NAMES}
        self.say(f"Frechet distances of {DRAWS} times {CLIPS:,} clips of the same weights.")
        self.table(rows)
        plain = min(rows["vanilla_gan"].values())
        self.verdict(
            *[
                (f"{name}: all closer to real than any of vanilla_gan", max(rows[name].values()) < plain)
                for name in NAMES[1:]
            ]
        )

    def classes(self) -> None:
        beside = self.beside("cgan", "digits")
        asked = np.arange(CLIPS) % 10
        right = {str(digit): float(np.mean(beside.named[asked == digit] == digit)) for digit in range(10)}
        self.say("How often the judge names the digit that `cgan` was asked for.")
        self.table({"cgan": right | {"all": float(np.mean(beside.named == asked))}})
        self.verdict(
            ("at least 80 % of all", np.mean(beside.named == asked) >= 0.8),
            ("at least 50 % of every digit", min(right.values()) >= 0.5),
        )

    def memory(self) -> None:
        judge = self.judge("digits")
        trained = judge.embed(self.heard("all trained on"), 8000)
        near = {name: nearest(judge.embed(self.heard(name), 8000), trained) for name in (REAL, COPIES, *NAMES)}
        rows = {name: {"least": float(values.min())} | quantiles(values) for name, values in near.items()}
        self.say(
            "Distance of each clip to the nearest training recording, in the judge's embedding. Copies, which would come",
            "through the codec as all drawn ones do, are shown too.",
        )
        self.table(rows)
        self.verdict(
            *[(f"{name}: no closer than real ones are", rows[name]["median"] >= rows[REAL]["median"]) for name in NAMES],
            *[
                (f"{name}: nine in ten farther than half of the copies", rows[name]["10 %"] > rows[COPIES]["median"])
                for name in NAMES
            ],
        )

    def levels(self) -> None:
        from audioae.generators.frechet import frechet_distance
        from audioae.generators.models.lapgan import expand

        lapgan, judge = self.load("lapgan"), self.judge("digits")
        model, real = lapgan.network, judge.embed(self.heard(REAL), 8000)
        count = len(model.config.widths)

        def distance(images: torch.Tensor) -> float:
            while images.shape[2] < model.config.rows:
                images = expand(images)
            return frechet_distance(judge.embed(list(lapgan.waves(images).numpy()), 8000), real)

        rows: dict[str, dict[str, float]] = {}
        for seed in range(DRAWS):
            numbers = model.draw(CLIPS, torch.Generator().manual_seed(seed))
            for n in range(1, count + 1):
                with torch.inference_mode():
                    images = torch.cat([model(part, levels=n) for part in numbers.split(100)])
                size = f"{images.shape[2]} x {images.shape[3]}"
                rows.setdefault(size, {})[f"seed {seed}"] = distance(images)
        self.say(
            "Output of each level of `lapgan`, enlarged smoothly to full size, which the next level should improve. Frechet",
            f"distances of {DRAWS} times {CLIPS:,} clips.",
        )
        self.table(rows)
        sizes = list(rows)
        self.verdict(
            *[
                (
                    f"{size} beats the level below, enlarged, each time",
                    all(rows[size][k] < rows[below][k] for k in rows[size]),
                )
                for below, size in itertools.pairwise(sizes)
            ]
        )

    def loudness_and_colour(self) -> None:
        rows: dict[str, dict[str, float]] = {}
        inside: dict[str, dict[str, float]] = {}
        ranges = {}
        for name in (REAL, AGAIN, *NAMES):
            waves = self.heard(name)
            values = {
                "RMS": [rms(w) for w in waves],
                "flatness": [flatness(w) for w in waves],
                "crest": [float(np.abs(w).max()) / max(rms(w), 1e-9) for w in waves],
            }
            if name == REAL:
                ranges = {key: (min(each), max(each)) for key, each in values.items()}
            rows[name] = {f"{key}, {at}": v for key, each in values.items() for at, v in quantiles(each).items()}
            inside[name] = {
                key: float(np.mean([ranges[key][0] <= v <= ranges[key][1] for v in each])) for key, each in values.items()
            }
        self.say(
            "Root mean square, spectral flatness, and crest factor (peak by root mean square, high where there are clicks)",
            "of whole clips.",
        )
        self.table(rows)
        spans = ", ".join(f"{key} from {low:.3g} to {high:.3g}" for key, (low, high) in ranges.items())
        self.say(f"Share of the clips that lie within the range of the real ones ({spans}):")
        self.table(inside)
        self.verdict(*[(f"{name}: 95 % within", min(inside[name].values()) >= 0.95) for name in NAMES])

    def pictures(self) -> None:
        from audioae.generators.evaluation import save_comparison

        self.say("Real ones above, drawn ones below; frequency upwards to 4 kHz, a second to the right.")
        for name in NAMES:
            path = self.out / f"{name}.png"
            save_comparison(self.load(name), self.digits["test"], path)
            self.say(f"![{name}]({path.name})")

    @cache  # noqa: B019
    def judge(self, name: str):
        return self.load(name)

    def _heard(self, name: str) -> list[np.ndarray]:
        """Clips of a generator, or of one of the sides that it is set beside."""
        from audioae.audio.files import read

        files = {REAL: self.digits["test"], TRAINING: spread(self.digits["train"], CLIPS)}
        files["all trained on"] = self.digits["train"]
        if name in files:
            return [read(path)[0][:, 0] for path in files[name]]
        if name == NOISE:
            return matched_noise(self.heard(TRAINING))
        if name in (AGAIN, COPIES):
            generator, side = self.load("dcgan"), REAL if name == AGAIN else TRAINING
            waves = [torch.from_numpy(wave)[None, None] for wave in self.heard(side)]
            transform, image = generator.transform(8000), generator.network.image
            levels = torch.cat([image.level(transform(wave)[:, 0]) for wave in waves])
            return list(generator.waves(generator.images_of_files(files[side]), levels).numpy())
        return list(self.load(name).draw(CLIPS)[1].numpy())

    def _beside(self, name: str, judge: str) -> "ClassifierFigures":
        return ClassifierFigures(self.judge(judge), self.heard(name), self.heard(REAL))


class ClassifierFigures:
    """Embeddings of clips and of real ones by a classifier."""

    def __init__(self, judge, waves: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> None:
        from audioae.generators import measures as sounds

        beside = sounds.GenerationReport(
            torch.zeros(0),
            torch.zeros(0),
            judge.embed(waves, 8000),
            judge.embed(real, 8000),
            judge.probabilities(waves, 8000),
        )
        self.frechet = sounds.frechet_of_sounds(beside)
        self.inception = sounds.inception_score(beside)
        self.diversity = sounds.diversity(beside)
        self.named = beside.probabilities.argmax(1)


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """This many of them, evenly spaced."""
    return [paths[n] for n in np.linspace(0, len(paths) - 1, count).astype(int)]


def main() -> None:
    given = arguments(__doc__, Generators.sections)
    if given.sections == Generators.sections:
        train((*JUDGES, *NAMES), given.data, given.runs)
    Generators(given.data, given.runs, given.out).write(given.out / "generators.md", tuple(given.sections))


if __name__ == "__main__":
    main()
