"""``audioae adapt``: fine-tunes a model on a noise of your own."""

from contextlib import closing
from pathlib import Path

import click

from audioae.cli import options
from audioae.cli.train import Duration, Screen, budget_from_start


@click.command()
@options.model_argument
@options.model("Model to fine-tune: one of the package, or the path of a model file.  [default: the default denoiser]")
@click.option("--noise", multiple=True, required=True, metavar="PATH",
              help="The noise alone, a minute or more: a file, folder or glob; may be given again.")  # fmt: skip
@click.option("--speech", multiple=True, metavar="PATH", help="Clean recordings of the voices to keep; may be given again.")
@options.out("The new model file, NAME.safetensors.")
@options.overwrite
@click.option("--budget", type=Duration(), default="10m", show_default=True, help="Wall time in all, as 90s, 10m or 1h.")
@click.option("--bound", type=click.FloatRange(0), default=0.3, show_default=True, metavar="DB",
              help="Largest loss of SI-SDR on other noise.")  # fmt: skip
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting of the model's recipe.")
@options.device()
@options.threads
@options.quiet
def adapt(
    argument: str | None,
    model: str | None,
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
    """Fine-tune a denoiser on a noise of your own, in minutes.

    Record the noise without speech: a room, a fan, a car. Three quarters of the recording are used for training, together
    with speech and other noise of the package; the rest is used to measure. The figures before and after are printed, for
    this noise and for other noise. SI-SDR on other noise falls by at most --bound: if it would fall by more, part of the
    change is taken back. Ctrl-C ends the training early and keeps what it has reached.

    \b
      audioae adapt --noise room_tone.wav -o mine.safetensors
      audioae adapt -m conv_dae --noise fan/ --speech voice/ --budget 30m -o mine.safetensors
      audioae denoise talk.wav -m mine.safetensors
    """
    from audioae.cli.progress import above
    from audioae.cli.terminal import print_line
    from audioae.errors import AudioaeError
    from audioae.train.adapt import adapt as run

    chosen = options.one_model(argument, model, "default")
    seconds = budget_from_start(budget)
    with closing(Screen(quiet)) as screen:
        result = run(chosen, noise, out, speech, seconds, bound, overrides, device, screen, overwrite)
    print_line("| recordings | measure | noisy input | before | after |\n|---|---|---|---|---|")
    for label, figures in (("this noise", result.own), ("other noise", result.general)):
        for name, value in figures.after.items():
            print_line(f"| {label} | {name} | {figures.noisy[name]:.2f} | {figures.before[name]:.2f} | {value:.2f} |")
    if result.model_file is None:
        raise AudioaeError(
            f"nothing was written: SI-SDR on other noise fell by more than {bound:g} dB; "
            "record more of the noise, or allow more with --bound"
        )
    kept = "" if result.share == 1 else f"; {100 * result.share:.0f} % of the change was kept, to stay within --bound"
    print_line(f"{result.model_file}: {result.steps} steps{kept}")
    if result.own.after["si_sdr"] <= result.own.before["si_sdr"]:
        above("audioae: warning: no gain on this noise: train longer with --budget, or record more of it")
    elif result.doubt:
        above(f"audioae: warning: {result.doubt}")
