"""Texts of files with segments of speech: JSON, CSV, RTTM and SubRip (SRT)."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from audioae.errors import OutputError
from audioae.signal.speech import Segment


def _json(segments: Sequence[Segment], source: Path, seconds: float) -> str:
    """An object with the name of the recording, its length, and the segments, all in seconds."""
    rows = ",\n".join(f"  {json.dumps(segment._asdict())}" for segment in segments)
    head = f'{{"file": {json.dumps(source.name, ensure_ascii=False)}, "seconds": {round(seconds, 3)}, "segments": ['
    return f"{head}\n{rows}\n]}}\n" if rows else f"{head}]}}\n"


def _csv(segments: Sequence[Segment], source: Path, seconds: float) -> str:
    """The columns ``start`` and ``end`` in seconds, with their names in the first row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Segment._fields)
    writer.writerows((f"{segment.start:.3f}", f"{segment.end:.3f}") for segment in segments)
    return text.getvalue()


def _rttm(segments: Sequence[Segment], source: Path, seconds: float) -> str:
    """One line per segment, of type SPEAKER, as in NIST's Rich Transcription Time Marked format.

    The recording's name has no ending, and ``_`` in place of spaces, because spaces separate the fields.
    """
    name = "_".join(source.stem.split()) or "_"
    return "".join(
        f"SPEAKER {name} 1 {segment.start:.3f} {segment.end - segment.start:.3f} <NA> <NA> speech <NA> <NA>\n"
        for segment in segments
    )


def _srt(segments: Sequence[Segment], source: Path, seconds: float) -> str:
    """Subtitles with the text ``[speech]``."""
    return "".join(
        f"{number}\n{_clock(segment.start)} --> {_clock(segment.end)}\n[speech]\n\n"
        for number, segment in enumerate(segments, 1)
    )


def _clock(seconds: float) -> str:
    whole, milliseconds = divmod(round(1000 * seconds), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{milliseconds:03d}"


_Write = Callable[[Sequence[Segment], Path, float], str]
_FORMATS: dict[str, _Write] = {".json": _json, ".csv": _csv, ".rttm": _rttm, ".srt": _srt}
SPEECH_ENDINGS = tuple(_FORMATS)
"""Endings of files with segments of speech."""


def check_ending(path: Path) -> None:
    """Reject a path whose ending is none of :data:`SPEECH_ENDINGS`.

    Raises:
        OutputError: another ending.
    """
    if path.suffix.lower() not in _FORMATS:
        raise OutputError(f"{path}: segments of speech need one of the endings {', '.join(SPEECH_ENDINGS)}")


def speech_text(segments: Sequence[Segment], target: Path, source: Path, seconds: float) -> str:
    """Contents of the file ``target``, in the format of its ending.

    Args:
        segments: in order.
        target: path of the file.
        source: path of the recording.
        seconds: length of the recording.

    Raises:
        OutputError: the ending is none of :data:`SPEECH_ENDINGS`.

    >>> print(speech_text([Segment(0.5, 1.25)], Path("speech.srt"), Path("talk.wav"), 2.0).rstrip())
    1
    00:00:00,500 --> 00:00:01,250
    [speech]
    """
    check_ending(target)
    return _FORMATS[target.suffix.lower()](segments, source, seconds)
