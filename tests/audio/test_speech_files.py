"""Files with segments of speech, read by independent parsers."""

import csv
import io
import json
import re
from pathlib import Path

import av
import pytest

from audioae.audio.speech_files import SPEECH_ENDINGS, speech_text
from audioae.errors import OutputError
from audioae.signal.speech import Segment

SEGMENTS = [Segment(0.0, 0.512), Segment(1.25, 59.9996), Segment(3599.1, 36_000.05)]
SOURCE = Path("some folder/two words ü.take.wav")


def text(ending: str, segments: list[Segment] = SEGMENTS) -> str:
    return speech_text(segments, Path(f"speech{ending}"), SOURCE, 36_001.0)


def test_json_is_read_by_python() -> None:
    given = json.loads(text(".json"))
    assert given["file"] == SOURCE.name and given["seconds"] == 36_001
    assert [(each["start"], each["end"]) for each in given["segments"]] == SEGMENTS
    assert json.loads(text(".json", []))["segments"] == []


def test_csv_is_read_by_python() -> None:
    rows = list(csv.DictReader(io.StringIO(text(".csv"))))
    assert [(float(row["start"]), float(row["end"])) for row in rows] == [pytest.approx(s, abs=6e-4) for s in SEGMENTS]
    assert list(csv.DictReader(io.StringIO(text(".csv", [])))) == []


def test_rttm_has_the_ten_fields_of_its_definition() -> None:
    lines = [line.split() for line in text(".rttm").splitlines()]
    for fields, segment in zip(lines, SEGMENTS, strict=True):
        assert len(fields) == 10 and fields[0] == "SPEAKER" and fields[2] == "1" and fields[7] == "speech"
        assert fields[1] == "two_words_ü.take" and {fields[place] for place in (5, 6, 8, 9)} == {"<NA>"}
        assert float(fields[3]) == pytest.approx(segment.start, abs=6e-4)
        assert float(fields[3]) + float(fields[4]) == pytest.approx(segment.end, abs=1.1e-3)
    assert text(".rttm", []) == ""


def test_srt_is_read_by_ffmpeg() -> None:
    with av.open(io.BytesIO(text(".srt").encode()), format="srt") as file:
        read = [
            (p.pts * p.time_base, (p.pts + p.duration) * p.time_base, bytes(p)) for p in file.demux() if p.pts is not None
        ]
    assert [(float(a), float(b)) for a, b, _ in read] == [pytest.approx(s, abs=6e-4) for s in SEGMENTS]
    assert {what for _, _, what in read} == {b"[speech]"}
    assert re.search(r"^3\n00:59:59,100 --> 10:00:00,050\n", text(".srt"), re.MULTILINE)


@pytest.mark.parametrize("name", ["speech.txt", "speech", "json"])
def test_other_endings_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(OutputError, match=r"\.json, \.csv, \.rttm, \.srt"):
        speech_text([], Path(name), SOURCE, 1.0)
    assert len(SPEECH_ENDINGS) == 4
