"""The programs and commands of the page on pipelines run and have the stated results."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from audioae.cli.app import main
from audioae.nn.strength import FOR_ASR

PAGE = (Path(__file__).parent.parent / "recipes/report/pipelines.md").read_text()
SECTIONS = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])


def block(section: str, kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", SECTIONS[section], re.M | re.S)
    return str(found)


@pytest.fixture
def in_clone(fresh_clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fresh_clone)


def run(program: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(program, names)
    return names


@pytest.mark.usefixtures("in_clone")
def test_a_recogniser_takes_cleaned_speech() -> None:
    pytest.importorskip("moonshine_voice", reason="needs the extra moonshine")
    names = run(block("Before a recogniser", "python"))
    assert "without reference to its capacity" in names["text"].lower()
    assert f"atten_limit={FOR_ASR:g}" in block("Before a recogniser", "python")


@pytest.mark.usefixtures("in_clone")
def test_two_speakers_are_separated() -> None:
    names = run(block("Before diarisation", "python"))
    rate, segments, speakers = names["rate"], names["segments"], names["speakers"]
    change = len(names["english"]) / rate, (len(names["english"]) + len(names["german"])) / rate
    found: list[set[int]] = [set(), set(), set()]
    for (start, end), speaker in zip(segments, speakers, strict=True):
        found[int(np.searchsorted(change, (start + end) / 2))].add(int(speaker))
    assert found[0] == found[2] and len(found[0]) == 1 and found[1] == {0, 1} - found[0]


@pytest.mark.usefixtures("in_clone")
def test_recordings_above_a_threshold_are_kept() -> None:
    for command in block("Speech for synthesis", "sh").splitlines():
        made = CliRunner().invoke(main, shlex.split(command)[1:])
        assert made.exit_code == 0, made.output
    names = run(block("Speech for synthesis", "python"))
    scores, kept = names["scores"], names["kept"]
    assert set(scores) == {path.name for path in Path("samples/noisy").iterdir()}
    assert 0 < len(kept) < len(scores)
    assert min(scores[name] for name in kept) >= 3 > max(score for name, score in scores.items() if name not in kept)
