"""Input files and output paths of a command line."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from audioae.audio.folders import is_recording, recordings
from audioae.audio.globs import is_glob, matches
from audioae.audio.speech_files import SPEECH_ENDINGS
from audioae.audio.spool import is_pipe
from audioae.runtime.jobs import Job

STANDARD = "-"
SUFFIX = ".clean"
STDIN_NAME = "stdin.wav"
PICTURES = (".png", ".pdf", ".svg")


@dataclass(frozen=True)
class Plan:
    """All jobs of a command line.

    Attributes:
        jobs: one per recording.
        several: whether the inputs can be more than one recording.
        folder: whether the results go into a folder.
        unread: paths that cannot be read, with the reason.
    """

    jobs: list[Job]
    several: bool
    folder: bool
    unread: list[tuple[Path, str]] = field(default_factory=list)


def plan(
    inputs: Sequence[str],
    out: str | None = None,
    recursive: bool = False,
    removed: str | None = None,
    plot: str | None = None,
    speech: str | None = None,
    speech_format: str | None = None,
) -> Plan:
    """Expand ``inputs`` (files, globs, folders, ``-``) and pair each recording with its output paths.

    Raises:
        click.UsageError: an input matches nothing, two results have the same path, several results are to go to one file, or
            a result would replace a recording of the same command.
    """
    several = len(inputs) > 1 or any(Path(name).is_dir() or is_glob(name) for name in inputs)
    folder = out is not None and out != STANDARD and _in_folder(out, several)
    if several and out == STANDARD:
        raise click.UsageError("only one recording can go to standard output")
    if out is not None and folder and Path(out).is_file():
        raise click.UsageError(f"{out} is a file: several recordings need a folder for their results")
    avoid = _place(out) if folder and out else None
    if several and out is not None:
        check_folder(out)
    further = ((removed, ""), (plot, ".png"), (speech, _speech_ending(speech, speech_format, several)))
    found: dict[Path, tuple[Path, Path]] = {}
    unread: dict[Path, str] = {}
    for name in inputs:
        here, missed = _expand(name, recursive, avoid)
        unread.update(missed)
        if not here and not missed:
            deeper = " (--recursive searches folders in it too)" if Path(name).is_dir() and not recursive else ""
            raise click.UsageError(f"no audio files in {name}{deeper}")
        for source, relative in here:  # circular links make globs find a file many times
            found.setdefault(_place(source.parent) / source.name, (source, relative))
    jobs = [
        Job(source, _target(source, relative, out, bool(folder)), *_further_outputs(further, relative, several))
        for source, relative in found.values()
    ]
    _check_places(jobs)
    return Plan(jobs, several, folder, list(unread.items()))


def _in_folder(path: str, several: bool) -> bool:
    """Whether results go into a folder of this path."""
    return several or path.endswith(("/", "\\")) or Path(path).is_dir()


def check_folder(out: str) -> None:
    """Check that ``out`` can be the folder of several results.

    Raises:
        click.UsageError: it has the ending of an audio file, picture or file of segments, and is no folder.
    """
    path = Path(out)
    if names_recording(out) or (not _is_folder(out) and path.suffix.lower() in (*PICTURES, *SPEECH_ENDINGS)):
        raise click.UsageError(f"{out} names one file, but there are several results: give a folder, such as {path.stem}/")


def names_recording(out: str) -> bool:
    """Whether ``out`` has the ending of an audio file, and is no folder."""
    return not _is_folder(out) and is_recording(Path(out))


def _is_folder(out: str) -> bool:
    return out.endswith(("/", "\\")) or Path(out).is_dir()


def check_report(path: Path, jobs: Sequence[Job]) -> None:
    """Check that the report has a path of its own.

    Raises:
        click.UsageError: the path is that of a recording or of another result.
    """
    for place in (each for job in jobs for each in (job.source, *job.outputs)):
        if _place(path) == _place(place):
            raise click.UsageError(f"{path} is a recording or result of this command: the report needs a file of its own")


def _check_places(jobs: Sequence[Job]) -> None:
    sources = {_place(job.source): job.source for job in jobs if str(job.source) != STANDARD}
    taken: dict[Path, Path] = {}
    for job in jobs:
        for path in job.outputs:
            place = _place(path)
            if place in sources and sources[place] != job.source:
                raise click.UsageError(f"{path}, a result of {job.source}, is itself among the recordings to clean")
            if place in taken:
                raise click.UsageError(f"{taken[place]} and {job.source} would both become {path}")
            taken[place] = job.source


def _place(path: str | Path) -> Path:
    """The real path. Circular links, which ``Path.resolve`` refuses, are followed as far as possible."""
    return Path(os.path.realpath(path))


def _speech_ending(path: str | None, chosen: str | None, several: bool) -> str:
    """Ending of files with segments of speech: that of the option, or of the path, or ``.json`` in a folder.

    Raises:
        click.UsageError: an unknown format, or an option that contradicts the ending of the path.
    """
    if path is None:
        if chosen is not None:
            raise click.UsageError("--vad-format needs --vad PATH")
        return ""
    own = Path(path).suffix.lower()
    if path == STANDARD or _in_folder(path, several):
        return f".{chosen or 'json'}"
    if own not in SPEECH_ENDINGS:
        raise click.UsageError(f"{path}: --vad writes {', '.join(SPEECH_ENDINGS)}: give one of these endings, or a folder")
    if chosen is not None and own != f".{chosen}":
        raise click.UsageError(f"{path}: its ending is not that of --vad-format {chosen}: leave one of them out")
    return own


def _further_outputs(further: Sequence[tuple[str | None, str]], relative: Path, several: bool) -> Iterator[Path | None]:
    """Paths of further results: the path itself, or for several files the job's name with the ending in that folder."""
    for path, ending in further:
        if path is None:
            yield None
        elif path == STANDARD:
            raise click.UsageError("only the result itself can go to standard output")
        elif not _in_folder(path, several):
            yield Path(path)
        else:
            if several:
                check_folder(path)
            yield Path(path) / relative.with_name(relative.name + ending)


def _target(source: Path, relative: Path, out: str | None, folder: bool) -> Path:
    if out is not None:
        return Path(out) / relative if folder else Path(out)
    if str(source) == STANDARD:
        return Path(STANDARD)
    if is_pipe(source):
        raise click.UsageError(f"{source} is not a file: give the path of the result with -o")
    return source.with_name(f"{source.stem}{SUFFIX}{source.suffix}")


def _expand(name: str, recursive: bool, avoid: Path | None) -> tuple[list[tuple[Path, Path]], list[tuple[Path, str]]]:
    """Files of one argument with their paths relative to the output folder, and unreadable paths with the reason."""
    path = Path(name)
    if name == STANDARD:
        return [(path, Path(STDIN_NAME))], []
    if path.is_dir():
        listing = recordings(path, recursive)
        files = [p for p in listing.files if not _is_result(p) and not (avoid and avoid in _place(p).parents)]
        return [(p, p.relative_to(path)) for p in files], listing.unread
    if is_glob(name):
        found: list[tuple[Path, Path]] = []
        unread: list[tuple[Path, str]] = []
        for match in matches(name):
            if not _is_result(Path(match)):
                more = _expand(match, recursive, avoid)
                found += more[0]
                unread += more[1]
        return found, unread
    if not path.exists() and _place(path).is_dir():
        return [], []  # has more links than the system follows, and was found by a shorter path
    return [(path, Path(path.name))], []


def _is_result(path: Path) -> bool:
    """Whether an earlier run made this file from the recording beside it."""
    return path.stem.endswith(SUFFIX) and path.with_name(path.stem.removesuffix(SUFFIX) + path.suffix).exists()
