"""Runs a command over recordings: in this process, in several, or on a cluster, with a journal and a report."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from audioae.runtime.jobs import DenoiseOptions, Job, ModelChoice

if TYPE_CHECKING:
    from audioae.errors import AudioaeError
    from audioae.nn.streaming import Streaming
    from audioae.runtime.corpus import Outcome
    from audioae.runtime.files import Report
    from audioae.runtime.journal import Journal


@dataclass(frozen=True)
class Recordings:
    """The recordings of a command line, where their results go, and how they are processed.

    Attributes:
        inputs: files, globs, folders, or ``-``.
        out: file, folder or ``-``; None for a file beside each input.
        recursive: search folders within folders too.
        removed: path of the removed part.
        plot: path of the spectrograms.
        vad: path of the segments of speech.
        vad_format: their format.
        report: path of the report.
        jobs: recordings at a time, or parts of one.
        engine: ``local`` or ``ray``.
        resume: keep a journal, and skip what is done.
        quiet: print errors only.
        verbose: print more about each file.
    """

    inputs: Sequence[str]
    out: str | None = None
    recursive: bool = False
    removed: str | None = None
    plot: str | None = None
    vad: str | None = None
    vad_format: str | None = None
    report: str | None = None
    jobs: int | None = None
    engine: str = "local"
    resume: bool = False
    quiet: bool = False
    verbose: bool = False


def process(all_of: Recordings, choice: ModelChoice, chosen: DenoiseOptions) -> None:
    """Process the recordings, and exit with 1 if one failed.

    Args:
        all_of: the recordings.
        choice: the model.
        chosen: options of each recording; the number of parallel parts is filled in.

    Raises:
        click.UsageError: arguments that contradict each other.
    """
    from audioae.audio.spool import is_pipe
    from audioae.cli.progress import above
    from audioae.cli.targets import check_report, plan
    from audioae.runtime.signals import unwind_on_signals
    from audioae.system.atomic import write_text
    from audioae.system.places import check_apart, check_text
    from audioae.weight_files import locate

    if all_of.engine == "ray" and "-" in (*all_of.inputs, all_of.out):
        raise click.UsageError("--engine ray takes files: - is cleaned by this process")
    planned = plan(all_of.inputs, all_of.out, all_of.recursive, all_of.removed, all_of.plot, all_of.vad, all_of.vad_format)
    report = None if all_of.report is None else Path(all_of.report)
    engine, jobs, quiet = all_of.engine, all_of.jobs, all_of.quiet
    if report is not None:
        check_report(report, planned.jobs)
        check_text(report, chosen.overwrite)
    for path in [*([] if report is None else [report]), *(path for job in planned.jobs for path in job.outputs)]:
        check_apart(path, [locate(choice.model)])
    click.get_current_context().call_on_close(unwind_on_signals())
    piped = [job.source for job in planned.jobs if is_pipe(job.source)]
    if engine == "ray" and piped:
        raise click.UsageError(f"--engine ray takes files: {piped[0]} is a pipe, which this process alone can read")
    processes = jobs if planned.several and jobs and not piped else 1
    workers = _workers(processes, jobs if processes == 1 else None, engine)
    chosen = replace(chosen, workers=workers)
    journal = _journal(all_of.out if planned.folder else None, choice, chosen) if all_of.resume else None
    results = _Results(planned.unread, journal, quiet, all_of.verbose)
    left = [(job, _options_for(chosen, journal, job)) for job in planned.jobs if not (journal and journal.is_done(job))]
    if len(left) < len(planned.jobs) and not quiet:
        above(f"{len(planned.jobs) - len(left)} of {len(planned.jobs)} recordings are already done and unchanged")
    if engine == "ray" or (processes > 1 and len(left) > 1):
        outcomes = _in_parallel(left, choice, jobs if engine == "ray" else processes, results.begin, quiet, engine)
    else:
        outcomes = _one_by_one(left, choice, results.begin, planned.several, planned.several or planned.folder, quiet)
    with closing(outcomes):
        for job, outcome in outcomes:
            results.add(job, outcome)
    if report is not None:
        write_text(report, json.dumps(results.rows, indent=1, ensure_ascii=False) + "\n", chosen.overwrite)
    if results.failed:
        if planned.several:
            above(f"audioae: {results.failed} of {len(left) + len(planned.unread)} files could not be cleaned")
        raise SystemExit(1)


class _Results:
    """Prints the outcome of each recording, enters it in the journal and keeps it for the report.

    Args:
        unread: paths that cannot be read, with the reason; they count as failed.
        journal: journal of the output folder, with ``--resume``.
        quiet: print errors only.
        verbose: print more about each file.

    Attributes:
        rows: one per recording, for the report.
        failed: number of recordings that could not be cleaned.
    """

    def __init__(self, unread: Sequence[tuple[Path, str]], journal: "Journal | None", quiet: bool, verbose: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self.failed = 0
        self._journal, self._quiet, self._verbose = journal, quiet, verbose
        for path, reason in unread:
            self._fail(path, f"{path}: {reason}")

    def begin(self, job: Job) -> bool:
        """Enter a job in the journal. False if another run has finished it meanwhile."""
        return self._journal is None or self._journal.begin(job)

    def add(self, job: Job, outcome: "Report | AudioaeError") -> None:
        """Print and keep the report or the error of a job."""
        from audioae.cli.progress import above
        from audioae.errors import AudioaeError, UnexpectedError

        if isinstance(outcome, AudioaeError):
            self._fail(job.source, str(outcome))
            if self._verbose and isinstance(outcome, UnexpectedError):
                above(outcome.trace)
            return
        self.rows.append(outcome.as_dict())
        if self._journal:
            self._journal.done(job, outcome.as_dict())
        if not self._quiet:
            above(_in_words(outcome, self._verbose), lines=False)
            for warning in _warnings(outcome):
                above(f"audioae: warning: {job.source}: {warning}")

    def _fail(self, source: Path, message: str) -> None:
        from audioae.cli.progress import above

        self.failed += 1
        self.rows.append({"input": str(source), "error": message})
        above(f"audioae: {message}", lines=False)


def _warnings(outcome: "Report") -> Iterator[str]:
    """Warnings about a cleaned recording."""
    if outcome.broken:
        yield f"{outcome.broken.partition(':')[0]}: the rest was not read"
    yield from outcome.notes
    if outcome.non_finite:
        yield f"{outcome.non_finite} samples were NaN, infinite or beyond a million and were set to zero"
    if outcome.clipped_output:
        yield f"{outcome.clipped_output} samples of the result were clipped to full scale"


def _workers(processes: int, parts: int | None, engine: str) -> int:
    """Number of parallel parts of a long recording in one process, one thread each."""
    if engine == "ray":
        return 1  # a worker of a cluster has one core or one GPU
    from audioae.system.threads import count

    return parts or max(1, count() // processes)


def _journal(out: str | None, choice: ModelChoice, chosen: DenoiseOptions) -> "Journal":
    """The journal of an output folder. Results of another model or other settings count as not done.

    Raises:
        click.UsageError: the results do not go to a folder.
    """
    from audioae import __version__
    from audioae.runtime.journal import Journal
    from audioae.weight_files import locate

    if out is None:
        raise click.UsageError("--resume needs a folder for the results: -o FOLDER")
    _make_folder(Path(out))
    digest = hashlib.sha256(locate(choice.model).read_bytes())
    settings: tuple[object, ...] = (chosen.atten_limit, chosen.mix, chosen.channels, chosen.salvage, chosen.bitrate)
    if chosen.codec or chosen.track or chosen.loudness is not None:
        settings += (chosen.codec, chosen.track, chosen.loudness)
    if chosen.repairs:
        settings += (chosen.repairs, chosen.denoise)
    digest.update(" ".join(map(str, (__version__, choice.backend, *settings))).encode())
    return Journal(Path(out), digest.hexdigest()[:16])


def _options_for(chosen: DenoiseOptions, journal: "Journal | None", job: Job) -> DenoiseOptions:
    """The options for a job: results that an earlier run left unfinished may be replaced."""
    from audioae.runtime.journal import ResultState

    if journal is None:
        return chosen
    standing = journal.result_state(job)
    return replace(
        chosen,
        overwrite=chosen.overwrite or standing is ResultState.MADE,
        again=standing in (ResultState.FREE, ResultState.BEGUN),
    )


def _one_by_one(
    jobs: "Sequence[tuple[Job, DenoiseOptions]]",
    choice: ModelChoice,
    begun: "Callable[[Job], bool]",
    several: bool,
    folders: bool,
    quiet: bool,
) -> "Generator[Outcome, None, None]":
    """Clean in this process, with a progress bar for each recording."""
    from audioae.cli.progress import bar
    from audioae.runtime.attempt import attempt

    denoiser = choice.load()
    for number, (job, chosen) in enumerate(jobs, 1):
        label = f"{number}/{len(jobs)} {job.source.name}" if several else job.source.name
        form = "{desc} {percentage:3.0f}% |{bar:24}| {elapsed}<{remaining} {postfix}"
        with bar(1.0, label, quiet, form) as shown:
            made = attempt(partial(_clean, denoiser, job, chosen, begun, folders, _Watch(shown)), job)
        if made is not None:
            yield job, made


def _clean(
    denoiser: "Streaming[Any]",
    job: Job,
    chosen: DenoiseOptions,
    begun: "Callable[[Job], bool]",
    folders: bool,
    watch: "_Watch",
) -> "Report | None":
    """Clean one recording. None if another run has done it meanwhile."""
    from audioae.runtime.files import clean_job

    if folders:
        _make_folders(job)
    if not begun(job):
        return None
    return clean_job(denoiser, job, chosen, watch)


def _in_parallel(
    jobs: "Sequence[tuple[Job, DenoiseOptions]]",
    choice: ModelChoice,
    processes: int | None,
    begun: "Callable[[Job], bool]",
    quiet: bool,
    engine: str,
) -> "Generator[Outcome, None, None]":
    """Clean in several processes, with one progress bar for all recordings."""
    from audioae.cli.progress import bar
    from audioae.errors import AudioaeError
    from audioae.runtime import cluster, corpus

    clean = cluster.clean if engine == "ray" else corpus.clean
    choice.load()  # so that an error is reported once, not by every process
    ready = []
    for job, chosen in jobs:
        try:
            _make_folders(job)
        except AudioaeError as error:
            yield job, error
        else:
            ready.append((job, chosen))
    outcomes: Generator[Outcome, None, None] = clean(ready, choice, processes, begun)
    with bar(len(ready), "recordings", quiet) as shown, closing(outcomes):
        for outcome in outcomes:
            shown.update(1)
            yield outcome


class _Watch:
    """Updates a progress bar and its speed."""

    def __init__(self, shown: Any) -> None:
        self.shown = shown

    def __call__(self, done: int, frames: int, rate: int) -> None:
        self.shown.n = min(1.0, done / max(frames, 1))
        elapsed = max(self.shown.format_dict["elapsed"], 1e-3)
        self.shown.set_postfix_str(f"{done / rate / elapsed:.0f}x")
        self.shown.update(0)


def _in_words(result: "Report", verbose: bool) -> str:
    text = f"{result.output}: {result.seconds:.1f} s in {result.elapsed:.1f} s ({result.speed:.0f}x)"
    if result.damage is not None:
        text += "; " + _damage_in_words(result.damage)
    if result.loudness is not None:
        text += f"; loudness {result.loudness:.1f} LUFS, true peak {result.true_peak:.1f} dBTP"
    if result.speech is not None:
        text += f"; {result.speech:.1f} s of speech"
    if verbose:
        text += (
            f"; {result.rate} Hz, {result.channels} channels; level {result.level_before:.1f} to "
            f"{result.level_after:.1f} dBFS, removed {result.level_removed:.1f} dBFS; "
            f"clipped input samples {result.clipped_input}"
        )
    return text


def _damage_in_words(damage: list[dict[str, Any]]) -> str:
    """List the damage for a line of output.

    >>> _damage_in_words([{"kind": "dropouts", "start": 1.0, "end": 1.02}, {"kind": "bandwidth", "value": 4000}])
    '1 dropout, no band above 4.0 kHz'
    """
    kinds: dict[str, list[dict[str, Any]]] = {}
    for each in damage:
        kinds.setdefault(each["kind"], []).append(each)
    words = []
    if clipped := kinds.get("clipping"):
        words.append(f"clipping in {sum(each['end'] - each['start'] for each in clipped):.0f} s")
    if gaps := len(kinds.get("dropouts", ())):
        words.append(f"{gaps} dropout" + "s" * (gaps > 1))
    words += [f"no band above {each['value'] / 1000:.1f} kHz" for each in kinds.get("bandwidth", ())]
    words += ["reverberation"] * ("reverb" in kinds)
    return ", ".join(words) or "no damage found"


def _make_folders(job: "Job") -> None:
    for path in job.outputs:
        _make_folder(path.parent)


def _make_folder(path: Path) -> None:
    from audioae.errors import OutputError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot make the folder: {error.strerror}") from None
