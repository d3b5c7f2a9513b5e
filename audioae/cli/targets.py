"""Which files a command line means, and where each result goes."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

STANDARD = "-"
SUFFIX = ".clean"


@dataclass(frozen=True)
class Job:
    """One file to clean: where it is, where the result goes, and under which name below an output folder."""

    source: Path
    target: Path
    relative: Path


@dataclass(frozen=True)
class Plan:
    """All jobs of a command line, whether it may mean several files, and whether the results go into a folder."""

    jobs: list[Job]
    several: bool
    folder: bool


def plan(inputs: Sequence[str], out: str | None, recursive: bool) -> Plan:
    """All the files of ``inputs`` (files, globs, folders, ``-``) with their targets.

    Raises:
        click.UsageError: nothing found, two results of one name, or several results for one file.
    """
    several = len(inputs) > 1 or any(Path(name).is_dir() or _is_glob(name) for name in inputs)
    folder = out is not None and out != STANDARD and (several or out.endswith(("/", "\\")) or Path(out).is_dir())
    if several and out == STANDARD:
        raise click.UsageError("only one recording can go to standard output")
    avoid = Path(out).resolve() if folder and out else None
    found: list[tuple[Path, Path]] = []
    for name in inputs:
        found += [(p, r) for p, r in _expand(name, recursive, avoid) if p not in {q for q, _ in found}]
    if not found:
        raise click.UsageError(
            f"no audio files in {' '.join(inputs)}" + ("" if recursive else " (--recursive looks deeper)")
        )
    jobs = [Job(source, _target(source, relative, out, bool(folder)), relative) for source, relative in found]
    taken: dict[Path, Path] = {}
    for job in jobs:
        if job.target in taken and job.target != Path(STANDARD):
            raise click.UsageError(f"{taken[job.target]} and {job.source} would both become {job.target}")
        taken[job.target] = job.source
    return Plan(jobs, several, folder)


def beside(path: str | None, job: Job, several: bool, ending: str | None = None) -> Path | None:
    """Where a further result of a job goes: ``path`` itself, or for several files the job's name below it."""
    if path is None:
        return None
    if not several and not path.endswith("/") and not Path(path).is_dir():
        return Path(path)
    relative = job.relative.with_suffix(ending) if ending else job.relative
    return Path(path) / relative


def _target(source: Path, relative: Path, out: str | None, folder: bool) -> Path:
    if out is not None:
        return Path(out) / relative if folder else Path(out)
    if str(source) == STANDARD:
        return Path(STANDARD)
    return source.with_name(f"{source.stem}{SUFFIX}{source.suffix}")


def _is_glob(name: str) -> bool:
    return glob.has_magic(name) and not Path(name).exists()


def _expand(name: str, recursive: bool, avoid: Path | None) -> list[tuple[Path, Path]]:
    """Files of one argument, with the path that each keeps below an output folder."""
    from audioae.audio.files import EXTENSIONS

    path = Path(name)
    if name != STANDARD and path.is_dir():
        inside = sorted(path.rglob("*") if recursive else path.iterdir())
        files = [p for p in inside if p.suffix.lower() in EXTENSIONS and p.is_file() and not p.name.startswith(".")]
        # Results of an earlier run are no recordings to clean.
        files = [p for p in files if not p.stem.endswith(SUFFIX) and not (avoid and avoid in p.resolve().parents)]
        return [(p, p.relative_to(path)) for p in files]
    if name != STANDARD and _is_glob(name):
        return [pair for match in sorted(glob.glob(name, recursive=True)) for pair in _expand(match, recursive, avoid)]
    return [(path, Path(path.name))]
