"""``audioae evaluate``: measures models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from audioae.cli import options
from audioae.cli.evaluate_checks import (
    DEFAULT_MEASURES,
    check,
    check_inputs_stay,
    check_outputs,
    check_pictures,
    known_measures,
    no_recordings,
)

if TYPE_CHECKING:
    from audioae.data.pairs import Pair, Recording
    from audioae.errors import AudioaeError
    from audioae.evaluate.entrants import Entrant
    from audioae.evaluate.pairs import Score

    Failures = dict[str, AudioaeError | KeyboardInterrupt]

RECOGNISERS = ("pocketsphinx", "moonshine")
PLOTTED = ("si_sdr", "pesq")


class Named(click.ParamType):  # type: ignore[type-arg]
    """``NAME=VALUE``."""

    name = "NAME=VALUE"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split into name and value, without surrounding spaces."""
        name, sign, rest = (part.strip() for part in value.partition("="))
        if not (name and sign and rest):
            self.fail(f"{value!r}: give a name for the table, =, and the value, as in 'mine=...'", param, ctx)
        return name, rest


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("-m", "--model", "more_models", multiple=True, metavar="MODEL",
              help="The same as an argument; may be given again.")  # fmt: skip
@click.option(
    "--pairs",
    "entries",
    multiple=True,
    metavar="PATH",
    help="Folder with noisy/ and clean/, or a manifest; may be given again.",
)
@click.option("--recordings", multiple=True, metavar="PATH",
              help="Recordings without clean references: folder, glob or file; may be given again.")  # fmt: skip
@click.option("--clean", "clean", multiple=True, metavar="PATH",
              help="Clean recordings, for autoencoders and generators: folder, glob or manifest.")  # fmt: skip
@click.option("--components", multiple=True, metavar="PATH",
              help="Training data of an autoencoder: also measure its principal components.")  # fmt: skip
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write pictures of what autoencoders and generators do.",
)
@click.option("--entry", "folders", multiple=True, type=Named(), metavar="NAME=DIR",
              help="Also measure existing results: files named like the noisy ones.")  # fmt: skip
@click.option("--command", "commands", multiple=True, type=Named(), metavar="NAME='PROG {in} {out}'",
              help="Also measure another program, run on each recording as WAV, without a shell.")  # fmt: skip
@click.option("--measure", "measures", multiple=True, metavar="NAME",
              help=f"Measure to take; may be given again.  [default: {', '.join(DEFAULT_MEASURES)}]")  # fmt: skip
@click.option("--asr", is_flag=True, help="Also measure the word error rate, on pairs with a transcript.")
@click.option("--recogniser", type=click.Choice(RECOGNISERS), help="Speech recogniser, implies --asr; moonshine makes fewer "
              f"errors and needs the extra of its name.  [default: {RECOGNISERS[0]}]")  # fmt: skip
@click.option(
    "--atten-limit", type=click.FloatRange(0), metavar="DB", help="Let each model attenuate by at most DB decibels."
)
@click.option("--no-worse", is_flag=True,
              help="List recordings that became worse than their input; exit with 1 if there are any.")  # fmt: skip
@click.option("--of-clean", is_flag=True, help="Also clean the clean side and measure its SI-SDR.")
@click.option("--by-snr", is_flag=True, help="Also print a table for each SNR.")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="PNG", help="Plot the gain in SI-SDR and PESQ over the input's SNR."
)
@click.option("--markdown", type=click.Path(path_type=Path), metavar="PATH", help="Write the printed tables.")
@click.option("--csv", type=click.Path(path_type=Path), metavar="PATH", help="Write the figures of each recording.")
@click.option(
    "--json",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write means, intervals, cost and the figures of each recording.",
)
@options.overwrite
@options.device()
@options.threads
@options.quiet
def evaluate(
    models: tuple[str, ...],
    more_models: tuple[str, ...],
    entries: tuple[str, ...],
    recordings: tuple[str, ...],
    clean: tuple[str, ...],
    components: tuple[str, ...],
    pictures: Path | None,
    folders: tuple[tuple[str, str], ...],
    commands: tuple[tuple[str, str], ...],
    measures: tuple[str, ...],
    asr: bool,
    recogniser: str | None,
    atten_limit: float | None,
    no_worse: bool,
    of_clean: bool,
    by_snr: bool,
    plot: Path | None,
    markdown: Path | None,
    csv: Path | None,
    json: Path | None,
    overwrite: bool,
    device: str,
    quiet: bool,
) -> None:
    """Measure models on recordings, with or without clean references.

    The result is a Markdown table. MODEL is a model of the package or the path of a model file; without any, all denoisers
    of the package are measured. The noisy input is always in the table. Each mean is followed by its 95 % bootstrap
    interval over the recordings.

    --pairs takes a folder with noisy/ and clean/ in it (the same names in both), or a CSV/JSONL manifest with the columns
    noisy, clean and, if known, snr_db and text (the transcript, for --asr). A file pairs.csv in or beside the folder may
    give file, snr_db and text.

    --recordings takes recordings without clean references, for which the measures dnsmos_sig, dnsmos_bak and dnsmos_ovrl
    are taken. With --recordings alone and without MODEL, only the recordings, --entry and --command are measured. A manifest
    has the column file and, if known, snr_db and text.

    Autoencoders are measured by reconstruction error and properties of their codes, on the clean side; those that were
    trained on noisy input are measured on the noisy side and as denoisers too. Classifiers are measured by accuracy,
    generators by as many sounds as there are recordings.

    \b
      audioae evaluate --pairs samples
      audioae evaluate sparse_kl --pairs samples --components samples/train/clean --pictures pictures/
      audioae evaluate runs/conv_dae/best.safetensors conv_dae --pairs VoiceBank/test --by-snr --plot gain.png
      audioae evaluate --recordings raw/ --entry mine=cleaned/ --csv scores.csv
      audioae evaluate --pairs samples --entry mine=cleaned/ --command 'copy=cp {in} {out}'

    Below the table, the recording with the smallest gain is named for each model. --no-worse lists all recordings that lost
    more than 0.5 dB of SI-SDR or 0.05 of PESQ, and exits with 1 if there are any. --of-clean adds si_sdr_of_clean: the mean
    and the lowest SI-SDR of clean recordings that were cleaned.

    Results must have the recording's rate and its length, within 16 ms. A delay is not compensated: it counts against the
    program.

    rtf is the computing time per second of sound. Peak MB is the largest memory of the process, Python and libraries
    included, GPU memory excluded. Each model runs in a process of its own on whole recordings; loading the model and reading
    files are not counted. For --command the program's whole wall time counts.

    Programs that fail are left out of the table and named on standard error, and the exit code is 1. Ctrl-C prints and
    writes what has been measured so far.
    """
    from audioae.cli.terminal import print_line
    from audioae.data.pairs import Recording, find_pairs, find_recordings
    from audioae.errors import DataError
    from audioae.evaluate import pairs as scoring
    from audioae.evaluate import report, worst
    from audioae.evaluate.words import count
    from audioae.system.atomic import write_text

    models = (*models, *more_models)
    names = known_measures(measures, without_reference=bool(recordings) and not entries)
    check(
        (no_worse and not set(names) & set(worst.LIMITS), f"--no-worse needs one of the measures {', '.join(worst.LIMITS)}")
    )
    if not entries and not clean and not recordings:
        raise click.UsageError(no_recordings(models))
    check_outputs(plot, [path for path in (markdown, csv, json) if path is not None], overwrite)
    without_models = bool(recordings) and not (models or entries or clean)
    denoisers, others = ([], []) if without_models else by_family(models, bool(clean) and not recordings)
    pairs = [pair for entry in entries for pair in find_pairs(entry)]
    found: list[Recording] = [*pairs, *find_recordings(recordings)]
    heard_by = recogniser or (RECOGNISERS[0] if asr else "")
    with_results = bool(denoisers or folders or commands) or without_models
    check(
        (plot and all(pair.snr_db is None for pair in found),
         "--plot needs pairs with a known SNR: a column snr_db in the manifest or in pairs.csv"),
        (heard_by and not any(count(pair.text) for pair in found),
         "--asr needs recordings with a transcript: a column text in the manifest or in pairs.csv"),
        ((pictures or components) and not others, "--pictures and --components need an autoencoder or a generator"),
        (csv and not found, "--csv needs --pairs or --recordings"),
        (others and not (pairs or clean), "autoencoders and generators need --pairs or --clean"),
        (recordings and not with_results, "--recordings needs a denoiser, --entry or --command"),
        ((no_worse or of_clean) and not pairs, "--no-worse and --of-clean need --pairs"),
        ((csv or plot) and not with_results, "--csv and --plot need a denoiser, --entry or --command"),
        ((no_worse or of_clean) and not with_results, "--no-worse and --of-clean need a denoiser, --entry or --command"),
    )  # fmt: skip
    outputs = [path for path in (plot, markdown, csv, json) if path is not None]
    check_inputs_stay(
        outputs, models, found, [*entries, *recordings, *clean, *components], [folder for _, folder in folders]
    )
    labels = labels_of([*denoisers, *(name for name in others if name not in denoisers)])
    measured = [(labels[name], name) for name in others]
    check_pictures(measured, pictures, overwrite)
    scores: list[Score] = []
    failures: Failures = {}
    entrants: list[Entrant] = []
    if with_results:
        entrants = entrants_of({name: labels[name] for name in denoisers}, folders, commands, found, device, atten_limit)
        scores, failures = _score(entrants, found, names, heard_by, of_clean, quiet)
    interrupted = any(isinstance(error, KeyboardInterrupt) for error in failures.values())
    rows: dict[str, dict[str, float]] = {}
    if others and not interrupted:
        rows = _figures(measured, pairs, clean, components, pictures, device, overwrite)
    tables = [report.markdown(scores, entrants, found, by_snr)] if scores else []
    losses = worst.worse(scores) if no_worse else []
    tables += [report.worse_table(losses)] if no_worse and scores else []
    text = "\n".join([*tables, report.figures_table(rows) + "\n"] if rows else tables)
    print_line(text, end="")
    if markdown is not None:
        write_text(markdown, text, overwrite)
    if csv is not None:
        write_text(csv, report.as_csv(scores), overwrite)
    if json is not None:
        write_text(json, report.as_json(scores, entrants, found, rows), overwrite)
    if plot is not None:
        from audioae.plot import save_gains

        save_gains(scoring.gains(scores, [name for name in PLOTTED if name in names] or names[:2]), plot, overwrite)
    if interrupted:
        raise KeyboardInterrupt
    if failures:
        raise DataError(
            f"{len(failures)} of {len(entrants)} could not be measured: {', '.join(failures)}; see the messages above"
        )
    if losses:
        raise DataError(f"{losses[0].pair.noisy}: became worse than its input; the last table lists all of these")


def _score(
    entrants: "Sequence[Entrant]",
    pairs: "Sequence[Recording]",
    names: Sequence[str],
    recogniser: str,
    of_clean: bool,
    quiet: bool,
) -> "tuple[list[Score], Failures]":
    """Scores of programs that return sound, with a progress bar, and the errors of those that failed."""
    from audioae.cli.progress import above, bar
    from audioae.errors import AudioaeError
    from audioae.evaluate import pairs as scoring

    failures: Failures = {}
    with bar(len(pairs) * (len(entrants) + 1), "evaluate", quiet) as shown:

        def progress(name: str) -> None:
            shown.set_description(name, refresh=False)
            shown.update()

        def failed(name: str, error: AudioaeError | KeyboardInterrupt) -> None:
            failures[name] = error
            if isinstance(error, AudioaeError):
                above(f"audioae: {error}")

        return scoring.score(entrants, pairs, names, recogniser, progress, failed, of_clean), failures


def _figures(
    models: Sequence[tuple[str, str]],
    pairs: "Sequence[Pair]",
    clean: Sequence[str],
    components: Sequence[str],
    pictures: Path | None,
    device: str,
    overwrite: bool,
) -> dict[str, dict[str, float]]:
    """Figures of autoencoders, classifiers and generators; their pictures are written to the folder ``pictures``."""
    from audioae.cli.terminal import print_message
    from audioae.data.sources import list_files
    from audioae.evaluate import families

    files = [(pair.noisy, pair.clean) for pair in pairs] + [(path, path) for path in list_files(clean)]
    rows = families.tables(models, files, components, device)
    if pictures is not None:
        for path in families.draw(models, files, pictures, device, overwrite):
            print_message(str(path), lines=False)
    return rows


def by_family(models: Sequence[str], clean_only: bool) -> tuple[list[str], list[str]]:
    """Split models into those measured as denoisers and those measured by the measures of other families."""
    from audioae.modelfile import info, shipped

    for model in models:
        if models.count(model) > 1:
            raise click.UsageError(f"{model!r} is given twice")
    recipes = {model: info(model).recipe for model in models or shipped("denoisers")}
    others = [model for model, recipe in recipes.items() if recipe.model.family != "denoisers"]
    denoisers = [model for model, recipe in recipes.items() if recipe.model.family == "denoisers" or recipe.corruption.any]
    if clean_only and (wrong := [model for model in denoisers if model not in others]):
        raise click.UsageError(f"{wrong[0]} needs noisy recordings: give --pairs in place of --clean")
    return ([] if clean_only else denoisers), others


def labels_of(models: Sequence[str]) -> dict[str, str]:
    """Unique names for the tables; two trainings may both end in best.safetensors."""
    from audioae.modelfile import info

    stems = {given: info(given).name for given in models}
    return {given: given if list(stems.values()).count(stem) > 1 else stem for given, stem in stems.items()}


def entrants_of(
    models: Mapping[str, str],
    folders: Sequence[tuple[str, str]],
    commands: Sequence[tuple[str, str]],
    pairs: "Sequence[Recording]",
    device: str,
    atten_limit: float | None,
) -> "list[Entrant]":
    """The entrants of a comparison.

    Args:
        models: labels by the model's name or path.
        folders: label and path of folders of results.
        commands: label and command line of other programs.
        pairs: recordings.
        device: device of the models.
        atten_limit: largest attenuation in dB; None for no limit.

    Raises:
        click.UsageError: two entrants have the same name.
    """
    from audioae.evaluate.entrants import Command, Folder, model
    from audioae.evaluate.pairs import CLEAN, NOISY
    from audioae.modelfile import pick_device

    pick_device(device)
    labels = {name: label if atten_limit is None else f"{label}, limit {atten_limit:g} dB" for name, label in models.items()}
    taken = [NOISY, CLEAN, *labels.values(), *(name for name, _ in (*folders, *commands))]
    for name in taken:
        if taken.count(name) > 1:
            raise click.UsageError(f"two lines of the table are called {name!r}: give another name")
    return [
        *(model(label, name, device, atten_limit) for name, label in labels.items()),
        *(Folder(name, Path(folder), pairs) for name, folder in folders),
        *(Command(name, template) for name, template in commands),
    ]
