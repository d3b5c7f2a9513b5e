"""Trains autoencoders and variants for comparison, and writes the report: ``python tests/benchmarks/autoencoders.py DATA``.

DATA holds train/speech, train/noise, train/rir, valid/16k (noisy and clean side) and digits. Models in RUNS or in the
package are not trained again. noisereduce must be installed, for the baseline of spectral gating.
"""

import json
from collections.abc import Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from reports import Report, arguments
from trainings import SIZES, TRAININGS, model_file, train

SPARSE = ["sparse_kl", "sparse_l1", "sparse_top_k", "dense_of_kl", "dense_of_l1"]


class Autoencoders(Report):
    """Measurements and their Markdown tables."""

    title = "Autoencoders: measurements on held-out recordings"
    sections = ("undercomplete", "sparse", "contractive", "denoising", "variational", "stacked", "usefulness",
                "pictures", "how_they_were_trained")  # fmt: skip

    def __init__(self, data: Path, runs: Path, out: Path) -> None:
        from audioae.data.pairs import find_pairs

        super().__init__(data, runs, out)
        self.pairs = find_pairs(str(data / "valid/16k"))
        self.files = [(pair.noisy, pair.clean) for pair in self.pairs]
        self._figures: dict[str, dict[str, float]] = {}

    def head(self) -> None:
        self.say("Made by `python tests/benchmarks/autoencoders.py DATA`, on",
                 f"{len(self.pairs)} recordings of new speakers ({sum(p.seconds for p in self.pairs):.0f} s) and",
                 f"{len(self.digits['test'])} spoken digits (takes 0 to 4).",
                 "Errors are mean squares of standardised log-mel bands: 1 is that of the mean patch.")  # fmt: skip

    def figures(self, name: str) -> dict[str, float]:
        from audioae.autoencoders.evaluation import figures, held_out, training

        if name not in self._figures:
            denoiser = self.load(name)
            files = [(p, p) for p in self.digits["test"]] if training(denoiser).data.label is not None else self.files
            self._figures[name] = figures(denoiser, held_out(denoiser, files))
        return self._figures[name]

    def chosen(self, names: Sequence[str], columns: Sequence[str]) -> dict[str, dict[str, float]]:
        return {name: {column: self.figures(name)[column] for column in columns} for name in names}

    def undercomplete(self) -> None:
        from audioae.autoencoders.evaluation import components, held_out

        names = {size: "undercomplete_1d" + ("" if size == 32 else f"_{size}") for size in SIZES}
        errors = {size: self.figures(name)["reconstruction_error"] for size, name in names.items()}
        denoiser = self.load(names[32])
        pca = components(denoiser, [str(self.data / "train/speech")], held_out(denoiser, self.files), SIZES)
        deep = {32: "undercomplete_2d"}
        rows = {
            f"D = {size}": {
                "principal components": pca[size],
                "undercomplete_1d": errors[size],
                "undercomplete_2d": self.figures(deep[size])["reconstruction_error"] if size in deep else float("nan"),
            }
            for size in SIZES
        }
        self.say("Reconstruction error by the size D of the code of a patch of 16 frames and 64 bands.")
        self.table(rows)
        lines = {name: [(size, rows[f"D = {size}"][name]) for size in SIZES] for name in rows["D = 32"]}
        kept = {name: [p for p in points if p[1] == p[1]] for name, points in lines.items()}
        self.picture("undercomplete.png", kept, "D", "reconstruction error", powers=True)
        self.say("![error over the size of the code](undercomplete.png)")
        self.verdict(
            ("below principal components at every D", all(errors[size] < pca[size] for size in SIZES)),
            ("and the 2-D one too", all(self.figures(deep[s])["reconstruction_error"] < pca[s] for s in deep)),
            ("falling with D", all(errors[a] > errors[b] for a, b in pairwise(SIZES))),
        )

    def sparse(self) -> None:
        from audioae.autoencoders.evaluation import codes_of, held_out
        from audioae.plot import save_histogram

        columns = ["reconstruction_error", "explained_variance", "mean_activity", "activity_error", "activity_spread",
                   "code_l0", "dead_units"]  # fmt: skip
        self.say("D = 128 for a patch of 8 frames. code_l0 is the share of units that a patch uses.")
        self.table(self.chosen(SPARSE, columns))
        patches = held_out(self.load("sparse_kl"), self.files)
        count = len(patches.given) * self.load("sparse_kl").settings.frames
        save_histogram(
            {name: np.abs(codes_of(self.load(name), patches)).mean(0) for name in ("sparse_kl", "dense_of_kl")},
            self.out / "sparse.png",
            "mean activity of a unit",
        )
        self.say("![how active the units are](sparse.png)")
        f = self.figures
        twins = {"sparse_kl": "dense_of_kl", "sparse_l1": "dense_of_l1", "sparse_top_k": "dense_of_l1"}
        self.verdict(
            (f"mean activity within 0.2 of rho over {count} held-out frames", f("sparse_kl")["activity_error"] <= 0.2),
            *[(f"{n}: dead units below 5 %", f(n)["dead_units"] < 0.05) for n in twins],
            *[
                (f"{n}: explains 0.9 of what {t} does", f(n)["explained_variance"] >= 0.9 * f(t)["explained_variance"])
                for n, t in twins.items()
            ],
        )

    def contractive(self) -> None:
        import torch

        from audioae.autoencoders.evaluation import held_out
        from audioae.autoencoders.jacobian import hutchinson_norm

        names = ("contractive", "plain_of_contractive")
        self.table(
            self.chosen(
                names, ["reconstruction_error", "explained_variance", "jacobian_norm", "jacobian_relative", "code_shift"]
            )
        )
        model = self.load("contractive").network
        some = held_out(self.load("contractive"), self.files).given[:100]
        torch.manual_seed(0)
        exact = (
            torch.func.vmap(torch.func.jacrev(lambda p: model.encode(p[None])[0]))(some).square().flatten(1).sum(1).mean()
        )
        guess = hutchinson_norm(model.encode, some, 100).mean()
        off = abs(float(guess / exact) - 1)
        self.say(f"Of 100 patches the estimator gives {float(guess):.4f}, torch's exact Jacobian {float(exact):.4f}.")
        ours, twin = (self.figures(name) for name in names)
        self.verdict(
            ("norm of the Jacobian at most half of the plain model's", ours["jacobian_norm"] <= 0.5 * twin["jacobian_norm"]),
            (
                "also relative to the variance of the code, which a smaller scale cannot change",
                ours["jacobian_relative"] <= 0.5 * twin["jacobian_relative"],
            ),
            ("at most 10 % more error", ours["reconstruction_error"] <= 1.1 * twin["reconstruction_error"]),
            ("a smaller shift of the code under noise", ours["code_shift"] < twin["code_shift"]),
            ("estimator within 5 % of the exact value", off < 0.05),
        )

    def denoising(self) -> None:
        from noisereduce import reduce_noise
        from scipy.signal import wiener

        from audioae.audio.files import read
        from audioae.evaluate.pairs import NOISY, evaluate, means
        from audioae.measures.table import measure

        denoisers = ("denoising_1d", "denoising_2d", "stacked_sparse_dae")
        twins = {each: [name for name in TRAININGS if name == f"plain_of_{each}"] for each in denoisers}
        names = [*denoisers, *chain(*twins.values())]
        measures = ["si_sdr", "log_spectral_distance", "pesq", "estoi"]
        rows = means(evaluate([self.load(name) for name in names], self.pairs, measures))
        classical = {
            "spectral gating (noisereduce, stationary)": lambda x, rate: reduce_noise(x, rate, stationary=True),
            "spectral gating (noisereduce, non-stationary)": lambda x, rate: reduce_noise(x, rate, stationary=False),
            "Wiener filter (scipy.signal.wiener)": lambda x, rate: wiener(x, 9),
        }
        for name, clean in classical.items():
            every = []
            for pair in self.pairs:
                noisy, rate = read(pair.noisy)
                result = np.asarray(clean(noisy[:, 0].astype(np.float64), rate), np.float32)[:, None]
                every.append(measure(measures, result, read(pair.clean)[0], rate))
            rows[name] = {m: float(np.mean([each[m] for each in every])) for m in measures}
        self.say(f"As denoisers, on the {len(self.pairs)} noisy recordings. Bottlenecks of 128 numbers for 8 frames.")
        self.table(rows)
        save = [*classical, NOISY]
        for ours in denoisers:
            for other in [*twins[ours], *save]:
                a, b = rows[ours], rows[other]
                better = a["si_sdr"] > b["si_sdr"], a["log_spectral_distance"] < b["log_spectral_distance"]
                self.lines.append(
                    f"- {'holds' if all(better) else '**does not hold**'}: {ours} beats {other} on SI-SDR and distance"
                )
        self.say()

    def variational(self) -> None:
        from generation import frechet_table

        names = ["vae_1d", "plain_of_vae_1d", "vae_2d", "plain_of_vae_2d"]
        self.say("Spoken digits, patches of 64 frames, D = 32; takes 0 to 4, which were not trained on.")
        columns = ["reconstruction_error", "explained_variance", "elbo", "importance_bound", "divergence", "active_units"]
        self.table(self.chosen(names, columns))
        judge = self.load("digits")
        distances, accuracy, count = frechet_table(judge, [self.load("vae_1d"), self.load("vae_2d")], self.digits)
        self.say(f"Frechet distances of {count} sounds each to real test recordings, in the embedding of `digits`, which",
                 f"names {accuracy:.1%} of them right:")  # fmt: skip
        self.table({name: {"distance": value} for name, value in distances.items()})
        f = self.figures
        for name in ("vae_1d", "vae_2d"):
            ratio = f(name)["reconstruction_error"] / f(f"plain_of_{name}")["reconstruction_error"]
            self.verdict(
                (f"{name}: at least half of the units active, no collapse", f(name)["active_units"] >= 0.5),
                (f"{name}: the importance bound is above the ELBO", f(name)["importance_bound"] >= f(name)["elbo"]),
                (
                    f"{name}: samples closer to real than noise and shuffled bands",
                    distances[name] < min(distances["noise"], distances["shuffled"]),
                ),
                (f"{name}: error {ratio:.1f} times that of the undercomplete model (2 allowed)", ratio <= 2),
            )

    def stacked(self) -> None:
        names = ("stacked", "joint_of_stacked")
        self.say("Layer by layer first, compared with the same network trained jointly for as many steps.")
        self.table(self.chosen(names, ["reconstruction_error", "explained_variance"]))
        curves = {}
        for name in names:
            log = self.runs / name / "log.jsonl"
            if log.is_file():
                rows = [json.loads(line) for line in log.read_text().splitlines()]
                curves[name] = [(r["step"], r["losses"]["reconstruction_mse"]) for r in rows if "losses" in r]
        if curves:
            self.picture("stacked.png", curves, "step", "training error: levels, code, all together")
        self.say("![error over the steps](stacked.png)")
        ours, joint = (self.figures(name)["reconstruction_error"] for name in names)
        self.verdict(("fine-tuned error at most that of joint training", ours <= joint))

    def usefulness(self) -> None:
        from generation import digit_accuracy

        self.say("A logistic regression predicts the digit from a code of 32 numbers (trained on takes 5 to 49).")
        rows = digit_accuracy(
            [self.load(n) for n in ("vae_1d", "plain_of_vae_1d", "vae_2d", "plain_of_vae_2d")], self.digits
        )
        self.table({name: {"accuracy": value} for name, value in rows.items()})
        best = max(value for name, value in rows.items() if "components" not in name)
        pca = max(value for name, value in rows.items() if "components" in name)
        self.verdict(("the best autoencoder's codes have a higher accuracy than principal components", best > pca))

    def pictures(self) -> None:
        from audioae.evaluate.families import draw

        speech = ("undercomplete_2d", "sparse_kl", "contractive", "denoising_2d", "stacked_sparse_dae")
        made = draw([(n, str(model_file(n, self.runs))) for n in speech], self.files, self.out)
        sounds = [(p, p) for p in self.digits["test"]]
        made += draw([("vae_2d", str(model_file("vae_2d", self.runs)))], sounds, self.out)
        keep = ("_2d-rebuilt.png", "sparse_kl-rebuilt.png", "vae_2d-traversal.png", "undercomplete_2d-traversal.png",
                "vae_2d-map.png", "sparse_kl-activity.png")  # fmt: skip
        self.say("Patches (frequency upwards, time to the right), maps of the codes, and the effect of single units.")
        for path in made:
            if path.name.endswith(keep):
                self.say(f"![{path.stem.replace('-', ': ')}]({path.name})")
            else:
                path.unlink()

    def how_they_were_trained(self) -> None:
        self.say("Each by its recipe, some with overrides:")
        self.say(*[f"- {n}: `recipes/{r}.yaml` {' '.join(f'`{o}`' for o in own)}" for n, (r, own) in TRAININGS.items()])


def main() -> None:
    given = arguments(__doc__, Autoencoders.sections)
    if given.sections == Autoencoders.sections:
        train(TRAININGS, given.data, given.runs)
    Autoencoders(given.data, given.runs, given.out).write(given.out / "README.md", tuple(given.sections))


if __name__ == "__main__":
    main()
