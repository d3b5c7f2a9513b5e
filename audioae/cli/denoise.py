"""``audioae denoise``: clean recordings."""

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from audioae.cli.signals import unwind_on_signals


@click.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--out", metavar="PATH", help="Result: a file, a folder for several, - for standard output."
              "  [default: NAME.clean.ENDING beside the input]")  # fmt: skip
@click.option("--recursive", is_flag=True, help="Look into folders below folders; -o keeps the tree.")
@click.option("--overwrite", is_flag=True, help="Replace results that are there; never the input itself.")
@click.option("--model", default="default", show_default=True, help="A model of the package, or a bundle's path.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--atten-limit", type=click.FloatRange(0), metavar="DB", help="Attenuate by at most so many dB.")
@click.option("--mix", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="1 cleaned, 0 the input.")
@click.option("--channels", type=click.Choice(["linked", "independent"]), default="linked", show_default=True,
              help="One mask for all channels, which keeps the stereo image, or one each.")  # fmt: skip
@click.option("--save-removed", metavar="PATH", help="Write what was taken out: a file, or a folder for several.")
@click.option("--plot", metavar="PNG", help="Draw spectrograms before and after: a file, or a folder for several.")
@click.option("--report", metavar="JSON", help="Write per file: speed, levels, estimated SNR gain, clipped samples.")
@click.option("-q", "--quiet", is_flag=True, help="Nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="More about every file.")
def denoise(
    inputs: tuple[str, ...],
    out: str | None,
    recursive: bool,
    overwrite: bool,
    model: str,
    device: str,
    atten_limit: float | None,
    mix: float,
    channels: str,
    save_removed: str | None,
    plot: str | None,
    report: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Take the noise out of speech recordings. Rate, channels, bit depth, tags and length stay as they are.

    INPUT is any number of files, globs and folders, or - for WAV on standard input.

    \b
      audioae denoise noisy.wav -o clean.wav
      audioae denoise interview.flac --atten-limit 20      leave some of the room
      audioae denoise recordings/ -o cleaned/ --recursive
      sox in.mp3 -t wav - | audioae denoise - -o - > clean.wav
    """
    from audioae.bundle import load
    from audioae.cli.progress import above, bar
    from audioae.cli.targets import check_report, plan
    from audioae.errors import AudioaeError
    from audioae.infer.files import Wishes, check_target, denoise_file

    planned = plan(inputs, out, recursive, save_removed, plot)
    jobs, several = planned.jobs, planned.several
    if report is not None:
        check_report(Path(report), jobs)
        check_target(Path(report), jobs[0].source, overwrite)
    click.get_current_context().call_on_close(unwind_on_signals())
    denoiser = load(model, device)
    wishes = Wishes(atten_limit, mix, channels, overwrite)
    done: list[dict[str, Any]] = []
    failed = 0
    for number, job in enumerate(jobs, 1):
        label = f"{number}/{len(jobs)} {job.source.name}" if several else job.source.name
        form = "{desc} {percentage:3.0f}% |{bar:24}| {elapsed}<{remaining} {postfix}"
        with bar(1.0, label, quiet, form) as shown:
            watch = _Watch(shown)
            try:
                for path in job.outputs:
                    if several or planned.folder:
                        _make_folder(path.parent)
                result = denoise_file(denoiser, job.source, job.target, wishes, job.removed, job.picture, watch)
            except AudioaeError as error:
                failed += 1
                done.append({"input": str(job.source), "error": str(error)})
                above(f"audioae: {error}")
                continue
        done.append(result.as_dict())
        if not quiet:
            above(_in_words(result, verbose))
        for count, what in ((result.non_finite, "samples were NaN, infinite or beyond a million: taken as zero"),
                            (result.clipped_output, "samples of the result were limited to full scale")):  # fmt: skip
            if count and not quiet:
                above(f"audioae: warning: {job.source}: {count} {what}")
    if report is not None:
        _write_json(Path(report), done)
    if failed:
        if several:
            above(f"audioae: {failed} of {len(jobs)} files could not be cleaned")
        raise SystemExit(1)


class _Watch:
    """Moves a bar and tells the speed."""

    def __init__(self, shown: Any) -> None:
        self.shown = shown

    def __call__(self, done: int, frames: int, rate: int) -> None:
        self.shown.n = min(1.0, done / max(frames, 1))
        elapsed = max(self.shown.format_dict["elapsed"], 1e-3)
        self.shown.set_postfix_str(f"{done / rate / elapsed:.0f}x")
        self.shown.update(0)


def _in_words(result: Any, verbose: bool) -> str:
    text = f"{result.output}: {result.seconds:.1f} s in {result.elapsed:.1f} s ({result.speed:.0f}x)"
    if verbose:
        gain = "unknown" if result.snr_gain is None else f"{result.snr_gain:+.1f} dB"
        text += (
            f"; {result.rate} Hz, {result.channels} channels; level {result.level_before:.1f} to "
            f"{result.level_after:.1f} dBFS; estimated SNR gain {gain}; clipped input samples {result.clipped_input}"
        )
    return text


def _make_folder(path: Path) -> None:
    from audioae.errors import OutputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot make the folder: {error.strerror}") from None


def _write_json(path: Path, content: Any) -> None:
    from audioae.errors import OutputError

    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            temporary = Path(file.name)
            json.dump(content, file, indent=1, ensure_ascii=False)
            file.write("\n")
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
