"""``audioae adapt``: a model fitted to one's own noise."""

from pathlib import Path

import click

from audioae.cli.options import threads
from audioae.cli.train import Duration, Screen, budget_from_start


@click.command()
@click.argument("model", default="default")
@click.option("--noise", multiple=True, required=True, metavar="PATH",
              help="The noise alone, a minute or more: a file, folder or glob; may be given again.")  # fmt: skip
@click.option("--speech", multiple=True, metavar="PATH", help="Clean recordings of the voices to keep; may be given again.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="The new bundle, NAME.safetensors.")
@click.option(
    "--budget", type=Duration(), default="10m", show_default=True, help="Wall time for all of it, as 90s, 10m or 1h."
)
@click.option("--bound", type=click.FloatRange(0), default=0.3, show_default=True, metavar="DB",
              help="By how much SI-SDR on other noise may fall.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A setting of the model's recipe.")
@click.option("--overwrite", is_flag=True, help="Replace a bundle that is there.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@threads
@click.option("-q", "--quiet", is_flag=True, help="No progress, only the result.")
def adapt(
    model: str,
    noise: tuple[str, ...],
    speech: tuple[str, ...],
    out: Path,
    budget: float,
    bound: float,
    overrides: tuple[str, ...],
    overwrite: bool,
    device: str,
    quiet: bool,
) -> None:
    """Fit MODEL (one of the package, or a bundle's path) to a noise of one's own, in minutes.

    Record the noise without speech: a room, a fan, a car. Three quarters of it are learnt from, beside speech and other
    noise of the package; the rest is kept to measure with. The result is printed before and after, on that noise and on
    others, where it never gets worse by more than --bound. Ctrl-C ends the training early, with what it has reached.

    \b
      audioae adapt --noise room_tone.wav -o mine.safetensors
      audioae adapt default --noise fan/ --speech voice/ --budget 30m -o mine.safetensors
      audioae denoise talk.wav --model mine.safetensors
    """
    from audioae.cli.progress import above
    from audioae.cli.terminal import say
    from audioae.errors import AudioaeError
    from audioae.train.adapt import adapt as run

    seconds = budget_from_start(budget)
    result = run(model, noise, out, speech, seconds, bound, overrides, device, Screen(quiet), overwrite)
    say("| recordings | measure | noisy input | before | after |\n|---|---|---|---|---|")
    for label, figures in (("this noise", result.own), ("other noise", result.general)):
        for name, value in figures.after.items():
            say(f"| {label} | {name} | {figures.noisy[name]:.2f} | {figures.before[name]:.2f} | {value:.2f} |")
    if result.bundle is None:
        raise AudioaeError(
            f"nothing is written: on other noise it became worse by more than {bound:g} dB; "
            "record more of the noise, or allow more with --bound"
        )
    kept = "" if result.share == 1 else f"; {100 * result.share:.0f} % of the change is kept, for more breaks the bound"
    say(f"{result.bundle}: {result.steps} steps{kept}")
    if result.own.after["si_sdr"] <= result.own.before["si_sdr"]:
        above("audioae: warning: it has not become better on this noise: train longer with --budget, or record more of it")
