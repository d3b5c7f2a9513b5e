"""Pairs of noisy and clean recordings with the same name, as in VoiceBank-DEMAND."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audioae.audio.folders import is_recording, recordings
from audioae.data.sources import check_skipped, examine, list_files, listed, manifest
from audioae.errors import DataError, InputError

Skipped = list[tuple[Path, str]]
"""Recordings that cannot be read, with the reason."""

NOISY, CLEAN = "noisy", "clean"


@dataclass(frozen=True)
class Recording:
    """A recording to be measured.

    Attributes:
        name: without folder and ending.
        noisy: the recording.
        rate: Hz.
        frames: N.
        snr_db: SNR from the manifest, or None.
        text: transcript from the manifest, or None.
    """

    name: str
    noisy: Path
    rate: int
    frames: int
    snr_db: float | None = None
    text: str | None = None

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.rate


@dataclass(frozen=True, kw_only=True)
class Pair(Recording):
    """A recording and its clean reference, of equal length and sample rate.

    Attributes:
        clean: the reference.
    """

    clean: Path


def find_recordings(entries: Sequence[str]) -> list[Recording]:
    """Recordings without a reference: of folders, globs, files and manifests with the column ``file`` and, if known,
    ``snr_db`` and ``text``.

    Raises:
        DataError: an entry without recordings.
        InputError: an unreadable file.
    """
    found = []
    for entry in entries:
        path = Path(entry)
        notes = dict(listed(path)) if path.suffix.lower() in (".csv", ".jsonl") and path.is_file() else {}
        for file in list_files([entry]):
            about, own = examine(file), notes.get(file, {})
            found.append(Recording(file.stem, file, about.rate, about.frames, _snr(file, own), own.get("text") or None))
    return found


def find_pairs(entry: str, skipped: Skipped | None = None) -> list[Pair]:
    """Pairs of a folder with ``noisy`` and ``clean`` below it, or of a CSV/JSONL manifest.

    The folders' names may also continue alike, as ``noisy_testset_wav`` and ``clean_testset_wav`` do; if there are several
    such pairs of folders, give the noisy one. Unreadable pairs are added to ``skipped``, if it is given.

    SNRs and transcripts may be given in ``pairs.csv``, in the folder or beside it, with the columns ``file``, ``snr_db``
    and ``text``. A manifest has the columns ``noisy`` and ``clean``, and ``snr_db`` and ``text`` if known, with paths
    relative to itself.

    Raises:
        DataError: no pairs, a noisy file without a clean one, or two files of different length, rate or channels.
        InputError: an unreadable file, without ``skipped``.
    """
    path = Path(entry)
    if path.suffix.lower() in (".csv", ".jsonl"):
        rows = manifest(path)
        for row in rows:
            if not (row.get(NOISY) and row.get(CLEAN)):
                raise DataError(f"{path}: every row needs a `noisy` and a `clean` file")
        found = [(path.parent / row[NOISY], path.parent / row[CLEAN], row) for row in rows]
    else:
        found = _from_folder(path)
    if not found:
        raise DataError(f"{entry}: no pairs there: give a folder with noisy/ and clean/, or a manifest")
    pairs = []
    for noisy, clean, notes in found:
        try:
            pairs.append(_pair(noisy, clean, notes))
        except InputError as error:
            if skipped is None:
                raise
            skipped.append((noisy, str(error)))
    return pairs


def readable_pairs(entries: Sequence[str], max_skipped: float) -> tuple[list[Pair], Skipped]:
    """The pairs of all entries, and the unreadable ones.

    Raises:
        DataError: see :func:`find_pairs`; or more than ``max_skipped`` are unreadable.
    """
    skipped: Skipped = []
    pairs = [pair for entry in entries for pair in find_pairs(entry, skipped)]
    check_skipped(skipped, len(pairs) + len(skipped), max_skipped)
    return pairs, skipped


def _sides(path: Path) -> tuple[Path, Path]:
    """The folders of the noisy and of the clean recordings."""
    if (path / NOISY).is_dir() and (path / CLEAN).is_dir():
        return path / NOISY, path / CLEAN
    # The folder may be the noisy side itself, or contain it.
    for candidates in ([path], sorted(path.glob(f"{NOISY}*"))):
        both = [(p, p.with_name(CLEAN + p.name.removeprefix(NOISY))) for p in candidates if p.name.startswith(NOISY)]
        both = [(noisy, clean) for noisy, clean in both if noisy.is_dir() and clean.is_dir()]
        if len(both) > 1:
            raise DataError(f"{path}: holds several sets of pairs: give one of {', '.join(str(noisy) for noisy, _ in both)}")
        if both:
            return both[0]
    raise DataError(f"{path}: no folders noisy/ and clean/ there: give a folder that holds both, or a manifest")


def _from_folder(path: Path) -> list[tuple[Path, Path, dict[str, str]]]:
    noisy, clean = _sides(path)
    notes = _notes(noisy.parent)
    references = {p.stem: p for p in recordings(clean, recursive=False).files}
    pairs = []
    for recording in recordings(noisy, recursive=False).files:
        if recording.stem not in references:
            raise DataError(f"{recording}: there is no {recording.stem} in {clean}")
        pairs.append((recording, references[recording.stem], notes.get(recording.stem, {})))
    return pairs


def _notes(path: Path) -> dict[str, dict[str, str]]:
    for table in (path / "pairs.csv", path.parent / "pairs.csv"):
        if table.is_file():
            rows = manifest(table)
            own = [r for r in rows if "/" not in r.get("file", "") or r["file"].startswith(path.name + "/")]
            return {_stem(r.get("file", "")): r for r in own}
    return {}


def _stem(file: str) -> str:
    """The name without folder, and without ending if it has one."""
    path = Path(file)
    return path.stem if is_recording(path) else path.name


def _pair(noisy: Path, clean: Path, notes: dict[str, str]) -> Pair:
    first, second = examine(noisy), examine(clean)
    if (first.rate, first.channels, first.frames) != (second.rate, second.channels, second.frames):
        raise DataError(
            f"{noisy}: {first.rate} Hz, {first.channels} channels, {first.frames} frames, but its reference has "
            f"{second.rate} Hz, {second.channels} channels, {second.frames} frames: the two must match"
        )
    text = notes.get("text") or None
    return Pair(noisy.stem, noisy, first.rate, first.frames, _snr(noisy, notes), text, clean=clean)


def _snr(noisy: Path, notes: dict[str, str]) -> float | None:
    snr = notes.get("snr_db")
    try:
        return float(snr) if snr else None
    except ValueError:
        raise DataError(f"{noisy}: snr_db {snr!r} is not a number") from None
