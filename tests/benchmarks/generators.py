"""Judges the generators of the package, and writes the report on them: ``python tests/benchmarks/generators.py DATA``.

DATA holds digits. Models that are in RUNS are taken from there, the others from the package; each is trained by its recipe.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from reports import Report, arguments
from sounds import JUDGES, flatness, matched_noise, nearest, quantiles, rms
from trainings import train

CLIPS = 1000
NAMES = ("vanilla_gan", "dcgan", "cgan", "lapgan")
REAL, TRAINING, NOISE, AGAIN = (
    "real, not trained on",
    "real, trained on",
    "noise of the same spectrum",
    "real, through the codec",
)


class Generators(Report):
    """What is measured, and the Markdown that it becomes."""

    title = "Generators: spoken digits that were drawn, beside real ones"
    sections = ("judges", "codec", "sounds", "classes", "memory", "levels", "loudness_and_colour", "pictures")

    def __init__(self, data: Path, runs: Path, out: Path) -> None:
        super().__init__(data, runs, out)
        self.digits["train"] = [path for path in self.digits["train"] if int(path.stem.split("_")[2]) >= 10]
        self.heard = cache(self._heard)
        self.beside = cache(self._beside)

    def head(self) -> None:
        self.say(
            f"Made by `python tests/benchmarks/generators.py DATA`: {CLIPS:,} clips of each generator beside the",
            f"{len(self.digits['test'])} recordings of takes 0 to 4. Judges and generators were trained on takes",
            "10 to 49, and takes 5 to 9 decided which of their weights were kept: nothing here was chosen by what it is",
            "measured on.",
        )

    def judges(self) -> None:
        self.say("Classifiers that `audioae train` made, and the share of those recordings that they name right.")
        self.table({name: {"accuracy": self.judge(name).accuracy(self.digits["test"])} for name in JUDGES})

    def codec(self) -> None:
        from audioae.metrics.frechet import frechet_distance

        waves = self.heard(AGAIN)
        judge = self.judge("digits")
        named = judge.probabilities(waves, 8000).argmax(1)
        right = np.mean([str(n) == path.stem.split("_")[0] for n, path in zip(named, self.digits["test"], strict=True)])
        distance = frechet_distance(judge.embed(waves, 8000), judge.embed(self.heard(REAL), 8000))
        self.say(
            "What bounds all generators: real recordings, through images and Griffin-Lim, have a Frechet distance",
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
                        (f"{name}: closer to real than vanilla_gan", row["frechet"] < rows["vanilla_gan"]["frechet"]),
                    ]
                ),
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
        rows = {name: quantiles(nearest(judge.embed(self.heard(name), 8000), trained)) for name in (REAL, *NAMES)}
        self.say("Distance of each clip to the nearest training recording, in the judge's embedding.")
        self.table(rows)
        self.verdict(
            *[(f"{name}: no closer than real ones are", rows[name]["median"] >= rows[REAL]["median"]) for name in NAMES]
        )

    def levels(self) -> None:
        from audioae.gans.lapgan import expand
        from audioae.metrics.frechet import frechet_distance
        from audioae.sounds import model_of, waves_of

        lapgan, judge = self.load("lapgan"), self.judge("digits")
        model, real = model_of(lapgan), judge.embed(self.heard(REAL), 8000)
        numbers = model.draw(CLIPS, torch.Generator().manual_seed(0))
        count = len(model.config.widths)

        def distance(images: torch.Tensor) -> float:
            while images.shape[2] < model.config.rows:
                images = expand(images)
            return frechet_distance(judge.embed(list(waves_of(lapgan, images).numpy()), 8000), real)

        with torch.inference_mode():
            made = [torch.cat([model(part, levels=n) for part in numbers.split(100)]) for n in range(1, count + 1)]
        found = [distance(images) for images in made]
        sizes = [f"{images.shape[2]} x {images.shape[3]}" for images in made]
        self.say("What each level of `lapgan` draws, enlarged smoothly to full size: what the next one has to beat.")
        self.table({size: {"frechet": value} for size, value in zip(sizes, found, strict=True)})
        self.verdict(
            *[(f"{size} beats the level below, enlarged", found[n] < found[n - 1]) for n, size in enumerate(sizes) if n > 0]
        )

    def loudness_and_colour(self) -> None:
        rows: dict[str, dict[str, float]] = {}
        inside: dict[str, dict[str, float]] = {}
        ranges = {}
        for name in (REAL, *NAMES):
            waves = self.heard(name)
            values = {"RMS": [rms(w) for w in waves], "flatness": [flatness(w) for w in waves]}
            if name == REAL:
                ranges = {key: (min(each), max(each)) for key, each in values.items()}
            rows[name] = {f"{key}, {at}": v for key, each in values.items() for at, v in quantiles(each).items()}
            inside[name] = {
                key: float(np.mean([ranges[key][0] <= v <= ranges[key][1] for v in each])) for key, each in values.items()
            }
        self.say("Root mean square and spectral flatness of whole clips.")
        self.table(rows)
        self.say("Share of the clips that lie within the range of the real ones:")
        self.table(inside)
        self.verdict(*[(f"{name}: 95 % within", min(inside[name].values()) >= 0.95) for name in NAMES])

    def pictures(self) -> None:
        from audioae.evaluate.generators import save_beside

        self.say("Real ones above, drawn ones below; frequency upwards to 4 kHz, a second to the right.")
        for name in NAMES:
            path = self.out / f"{name}.png"
            save_beside(self.load(name), self.digits["test"], path)
            self.say(f"![{name}]({path.name})")

    @cache  # noqa: B019
    def judge(self, name: str):
        from audioae.judge import Judge

        return Judge(self.load(name))

    def _heard(self, name: str) -> list[np.ndarray]:
        """Clips of a generator, or of one of the sides that it is set beside."""
        from audioae.audio.files import read
        from audioae.sounds import drawn, images_of_files, model_of, waves_of

        files = {REAL: self.digits["test"], TRAINING: spread(self.digits["train"], CLIPS)}
        files["all trained on"] = self.digits["train"]
        if name in files:
            return [read(path)[0][:, 0] for path in files[name]]
        if name == NOISE:
            return matched_noise(self.heard(TRAINING))
        if name == AGAIN:
            generator = self.load("dcgan")
            waves = [torch.from_numpy(wave)[None, None] for wave in self.heard(REAL)]
            transform, image = generator.transform(8000), model_of(generator).image
            levels = torch.cat([image.level(transform(wave)[:, 0]) for wave in waves])
            return list(waves_of(generator, images_of_files(generator, self.digits["test"]), levels).numpy())
        return list(drawn(self.load(name), CLIPS)[1].numpy())

    def _beside(self, name: str, judge: str) -> "Heard":
        return Heard(self.judge(judge), self.heard(name), self.heard(REAL))


class Heard:
    """Clips as a judge hears them, beside real ones."""

    def __init__(self, judge, waves: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> None:
        from audioae.metrics import sounds

        beside = sounds.Beside(
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
    """So many of them, evenly."""
    return [paths[n] for n in np.linspace(0, len(paths) - 1, count).astype(int)]


def main() -> None:
    given = arguments(__doc__, Generators.sections)
    if given.sections == Generators.sections:
        train((*JUDGES, *NAMES), given.data, given.runs)
    Generators(given.data, given.runs, given.out).write(given.out / "generators.md", tuple(given.sections))


if __name__ == "__main__":
    main()
