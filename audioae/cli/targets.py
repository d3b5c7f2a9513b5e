"""Which files a command line means, and where each result goes."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from audioae.audio.folders import is_recording, recordings
from audioae.audio.globs import is_glob, matches
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
        jobs: a recording each.
        several: whether there may be more than one.
        folder: whether results go into a folder.
        unread: folders that cannot be searched and what is no file, and why.
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
) -> Plan:
    """All the files of ``inputs`` (files, globs, folders, ``-``) with their targets.

    Raises:
        click.UsageError: an input that matches nothing, two results of one name, several results for one file, or one that
            would take the place of a recording of the same command.
    """
    several = len(inputs) > 1 or any(Path(name).is_dir() or is_glob(name) for name in inputs)
    folder = out is not None and out != STANDARD and (several or out.endswith(("/", "\\")) or Path(out).is_dir())
    if several and out == STANDARD:
        raise click.UsageError("only one recording can go to standard output")
    if out is not None and folder and Path(out).is_file():
        raise click.UsageError(f"{out} is a file: several recordings need a folder for their results")
    avoid = _place(out) if folder and out else None
    if several and out is not None:
        check_folder(out)
    found: dict[Path, tuple[Path, Path]] = {}
    unread: dict[Path, str] = {}
    for name in inputs:
        here, missed = _expand(name, recursive, avoid)
        unread.update(missed)
        if not here and not missed:
            deeper = " (--recursive looks deeper)" if Path(name).is_dir() and not recursive else ""
            raise click.UsageError(f"no audio files in {name}{deeper}")
        for source, relative in here:  # links in a circle have globs find it again and again
            found.setdefault(_place(source.parent) / source.name, (source, relative))
    jobs = [
        Job(source, _target(source, relative, out, bool(folder)), *_beside(removed, plot, relative, several))
        for source, relative in found.values()
    ]
    _check_places(jobs)
    return Plan(jobs, several, folder, list(unread.items()))


def check_folder(out: str) -> None:
    """Refuse the name of a file for the folder that several results need, unless it is a folder's already.

    Raises:
        click.UsageError: it is a file's.
    """
    path = Path(out)
    ending = path.suffix.lower()
    if not out.endswith(("/", "\\")) and not path.is_dir() and (is_recording(path) or ending in PICTURES):
        raise click.UsageError(f"{out} names one file, but there are several results: give a folder, such as {path.stem}/")


def check_report(path: Path, jobs: Sequence[Job]) -> None:
    """Refuse a report in the place of a recording or of another result.

    Raises:
        click.UsageError: it would be.
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
    """Where it really lies; of links that go round in circles, which Path.resolve refuses, the last that was found."""
    return Path(os.path.realpath(path))


def _beside(removed: str | None, plot: str | None, relative: Path, several: bool) -> Iterator[Path | None]:
    """Where further results go: the path itself, or for several files the job's name below it."""
    for path, ending in ((removed, ""), (plot, ".png")):
        if path is None:
            yield None
        elif path == STANDARD:
            raise click.UsageError("only the result itself can go to standard output")
        elif not several and not path.endswith("/") and not Path(path).is_dir():
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
        raise click.UsageError(f"{source} is no file: say with -o where its result goes")
    return source.with_name(f"{source.stem}{SUFFIX}{source.suffix}")


def _expand(name: str, recursive: bool, avoid: Path | None) -> tuple[list[tuple[Path, Path]], list[tuple[Path, str]]]:
    """Files of one argument, with the path that each keeps below an output folder; and what cannot be searched, and why."""
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
        return [], []  # through more links than the system follows: it was found by fewer
    return [(path, Path(path.name))], []


def _is_result(path: Path) -> bool:
    """Whether it is what an earlier run made of the recording beside it."""
    return path.stem.endswith(SUFFIX) and path.with_name(path.stem.removesuffix(SUFFIX) + path.suffix).exists()
