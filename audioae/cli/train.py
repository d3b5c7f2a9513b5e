"""``audioae train``: trains a model by a recipe."""

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from audioae.cli import options
from audioae.cli.terminal import print_line, print_message

if TYPE_CHECKING:
    from audioae.recipe import Recipe
    from audioae.train.result import Result
    from audioae.train.schedule import Budget

INTERRUPTED = 130
"""Exit code after Ctrl-C."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType):  # type: ignore[type-arg]
    """``90m``, ``2h``, ``1h30m`` or plain seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Text to seconds."""
        if isinstance(value, int | float):
            return float(value)
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", value)
        if parts and "".join(n + u for n, u in parts) == value:
            seconds = sum(float(n) * UNITS[u] for n, u in parts)
        elif re.fullmatch(r"\d+(\.\d+)?", value):
            seconds = float(value)
        else:
            self.fail(f"{value!r} is not a duration such as 90m, 2h, 1h30m or 600 (seconds)", param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r}: give more than 0 seconds", param, ctx)
        return seconds


def _recipes(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem | str]:
    """Completions of a recipe: names of the package, else files."""
    from audioae import recipe_files

    return [name for name in recipe_files.names() if name.startswith(begun)] or [CompletionItem(begun, type="file")]


@click.command()
@click.argument("recipe", shell_complete=_recipes)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@options.out("Folder for the results.  [default: runs/NAME-OF-RECIPE]", required=False)
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in --out.")
@click.option("--budget", type=Duration(), help="Wall time, as 90m or 2h; the learning-rate schedule is fitted to it.")
@options.device()
@options.threads
@options.quiet
def train(
    recipe: str,
    overrides: tuple[str, ...],
    out: Path | None,
    resume: bool,
    budget: float | None,
    device: str,
    quiet: bool,
) -> None:
    """Train a model by a recipe.

    RECIPE is a recipe of the package (`audioae recipes` lists them) or the path of a YAML file. KEY=VALUE overrides a
    setting. Data paths are relative to the current folder.

    \b
      audioae train conv_dae data.clean=speech data.noise=noise data.rir= valid.pairs=test --budget 2h
      audioae train mine.yaml
      audioae train conv_dae train.init=conv_dae --out runs/finetuned
      torchrun --nproc-per-node 4 -m audioae train conv_dae data.batch_size=32

    --out then holds best.safetensors and last.safetensors (for `audioae denoise -m`), the checkpoint, the resolved recipe,
    log.jsonl, TensorBoard events and curves.png. Ctrl-C ends after the current step and writes all of these; the same
    command with --resume continues as if there had been no break.

    --budget is wall time from the start of the command until the result is measured and saved. It includes the time of
    runs before --resume.
    """
    from audioae import recipe_files
    from audioae.recipe import Recipe
    from audioae.settings.config import load
    from audioae.system.places import check_apart
    from audioae.train.folder import RESOLVED
    from audioae.train.trainer import train as run

    path = recipe_files.locate(recipe)
    resolved = load(Recipe, path, overrides)
    _check_paths(resolved)
    folder = out or Path("runs") / path.stem
    if not resume:
        check_apart(folder / RESOLVED, [path])
    with closing(Screen(quiet)) as screen:
        result = run(resolved, folder, resume, None if budget is None else budget_from_start(budget), device, screen)
    if result.is_main:
        _print_result(result, resume, resolved.train.steps)
    if result.interrupted:
        sys.exit(INTERRUPTED)


RECORDINGS = {
    "data.clean": "clean recordings to train on",
    "data.noise": "noise",
    "data.rir": "room impulse responses (or none, by data.rir=)",
    "data.pairs": "a folder with noisy/ and clean/",
    "valid.clean": "clean recordings to measure on",
    "valid.pairs": "a folder with noisy/ and clean/ to measure on",
}
"""Meaning of each path in a recipe."""
SAMPLES = "samples"


def _check_paths(recipe: "Recipe") -> None:
    """Find all data paths that do not exist, before anything is read.

    Raises:
        DataError: one line for each of them, with the override that sets it.
    """
    from audioae.audio.globs import matches
    from audioae.errors import DataError

    wrong, of_samples = [], False
    for key, what in RECORDINGS.items():
        section, _, name = key.partition(".")
        if key == "valid.pairs" and recipe.valid.clean:
            continue  # is not used
        for entry in getattr(getattr(recipe, section), name):
            if not Path(entry).exists() and not matches(entry):
                wrong.append(f"{key}: {entry}: no such file or folder: give {what}, as {key}=FOLDER")
                of_samples = of_samples or Path(entry).parts[:1] == (SAMPLES,)
    if of_samples:
        wrong.append(f"{SAMPLES}/ is the folder of recordings in the project's repository, for trials")
    if wrong:
        raise DataError("\n".join(wrong))


def budget_from_start(seconds: float) -> "Budget":
    """Wall time from the start of the program, which the program passes as click's object, or else from now."""
    from audioae.train.schedule import Budget

    start = click.get_current_context().obj
    return Budget(seconds, start) if isinstance(start, float) else Budget(seconds)


def _print_result(result: "Result", resumed: bool, steps: int) -> None:
    minutes = result.progress.seconds / 60
    figures = ", ".join(f"{name} {value:.3f}" for name, value in result.figures.items())
    skipped = f", {result.progress.skipped} steps skipped as not finite" if result.progress.skipped else ""
    print_line(f"{result.model_file}: {result.progress.step} steps in {minutes:.1f} min{skipped}; {figures}")
    if result.interrupted:
        print_message("stopped early; the same command with --resume continues")
    elif resumed and not result.taken:
        print_message(_why_no_step(result.progress.step >= steps))
    elif result.doubt:
        print_message(f"audioae: warning: {result.doubt}")


def _why_no_step(all_taken: bool) -> str:
    if all_taken:
        return "all steps were already taken: give more with train.steps=NUMBER to continue"
    return "earlier runs used up the budget, which counts over all runs: give a larger --budget to continue"


class Screen:
    """Prints the progress of a training to a terminal or a log file."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.bar: Any = None
        self.begun = False

    def started(self, recipe: Any, parameters: int, sources: Any, noisy: dict[str, float]) -> None:
        """Print the amount of data, the number of parameters and the measures of the noisy input."""
        from audioae.cli.progress import bar

        if sources.skipped:  # also with --quiet, because there is less data to train on
            print_message(f"{len(sources.skipped)} files could not be read and are left out:")
            for _, reason in sources.skipped:
                print_message(f"  {reason}", lines=False)
        if self.quiet:
            return
        clips, noises = len(sources.clean.clips), len(sources.noise.clips)
        print_message(
            f"{recipe.model.kind}: {parameters:,} parameters; {clips} speech, {noises} noise, "
            f"{len(sources.rir.clips)} impulse responses, {len(sources.pairs)} pairs",
        )
        if noisy:
            print_message(f"noisy input: {_in_words(noisy)}")
        form = "{percentage:5.1f}% |{bar:24}| {elapsed}<{remaining} {postfix}"
        self.bar = bar(1.0, "train", form=form)

    def close(self) -> None:
        """End the bar."""
        if self.bar is not None:
            self.bar.close()

    def stepped(self, step: int, share: float, losses: dict[str, float]) -> None:
        """Update the bar after a step."""
        if self.quiet or self.bar is None:
            return
        if not self.begun:
            # Steps of earlier runs took none of this bar's time and must not count in the estimate of the remaining time.
            self.begun, self.bar.initial = True, min(share, 1.0)
        self.bar.n = min(share, 1.0)
        self.bar.set_postfix_str(f"step {step}, {_in_words(losses)}", refresh=False)
        self.bar.update(0)

    def measuring(self, step: int, done: int, of: int) -> None:
        """Update the bar during a validation."""
        if not self.quiet and self.bar is not None:
            self.bar.set_postfix_str(f"step {step}, measured {done} of {of}", refresh=False)
            self.bar.update(0)

    def skipped(self, reasons: Sequence[str]) -> None:
        """Print a line for each file that was left out."""
        from audioae.cli.progress import above

        for reason in reasons:
            above(f"left out: {reason}")

    def validated(self, step: int, figures: dict[str, float], best: bool) -> None:
        """Print the figures of a validation."""
        from audioae.cli.progress import above

        if not self.quiet:
            above(f"step {step}: {_in_words(figures)}{' (best so far)' if best else ''}")

    def alarmed(self, step: int, why: str) -> None:
        """Print a warning, also with ``--quiet``."""
        from audioae.cli.progress import above

        above(f"step {step}: warning: {why}")


def _in_words(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())
