"""The journal of a folder of results."""

import json
import os
from pathlib import Path

import pytest

from audioae.errors import OutputError
from audioae.infer.jobs import Job
from audioae.infer.journal import NAME, Journal


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "in.wav").write_bytes(b"sound")
    return Job(tmp_path / "in.wav", tmp_path / "out.wav", tmp_path / "rest.wav")


def finish(journal: Journal, job: Job) -> None:
    journal.begin(job)
    for path in job.outputs:
        path.write_bytes(b"clean")
    journal.done(job, {"speed": 3})


def test_what_is_done_stays_done_until_something_changes(job: Job, tmp_path: Path) -> None:
    finish(Journal(tmp_path, "a"), job)
    assert Journal(tmp_path, "a").is_done(job)
    assert not Journal(tmp_path, "b").is_done(job)  # other settings
    assert not Journal(tmp_path, "a").is_done(Job(job.source, job.target))  # other results
    os.utime(job.source, ns=(1, 1))
    assert not Journal(tmp_path, "a").is_done(job)
    finish(Journal(tmp_path, "a"), job)
    assert Journal(tmp_path, "a").is_done(job)
    job.outputs[1].unlink()
    assert not Journal(tmp_path, "a").is_done(job)


def test_what_changes_while_it_is_cleaned_is_cleaned_again(job: Job, tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a")
    journal.begin(job)
    for path in job.outputs:
        path.write_bytes(b"clean")
    job.source.write_bytes(b"longer sound")
    journal.done(job, {})
    assert not Journal(tmp_path, "a").is_done(job)


@pytest.mark.parametrize("name", ["a\u2028b.wav", "a\x85b.wav", os.fsdecode(b"a\xff.wav"), "a\nb.wav"])
def test_names_of_any_kind(job: Job, tmp_path: Path, name: str) -> None:
    odd = Job(job.source, tmp_path / name)
    finish(Journal(tmp_path, "a"), odd)
    assert Journal(tmp_path, "a").is_done(odd) and Journal(tmp_path, "a").is_ours(odd)


def test_lines_of_something_else_count_for_nothing(job: Job, tmp_path: Path) -> None:
    finish(Journal(tmp_path, "a"), job)
    with open(tmp_path / NAME, "a") as file:
        file.write('{"event": "done", "input": "x", "outputs": null}\n[1]\n"text"\n')
    assert Journal(tmp_path, "a").is_done(job)


def test_what_was_begun_is_not_done_but_may_be_replaced(job: Job, tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a")
    journal.begin(job)
    job.target.write_bytes(b"clean")
    part = tmp_path / ".out.wav.x1.part"
    part.write_bytes(b"half")
    again = Journal(tmp_path, "a")
    assert again.is_ours(job) and not again.is_done(job)
    again.begin(job)
    assert not part.exists()
    other = Job(tmp_path / "in.wav", tmp_path / "theirs.wav")
    other.target.write_bytes(b"not ours")
    assert not again.is_ours(other)


def test_any_cut_leaves_a_journal_that_can_be_gone_on_with(job: Job, tmp_path: Path) -> None:
    finish(Journal(tmp_path, "a"), job)
    whole = (tmp_path / NAME).read_bytes()
    for end in range(len(whole) + 1):
        (tmp_path / NAME).write_bytes(whole[:end])
        journal = Journal(tmp_path, "a")
        # The last line counts once it is whole, with or without its end.
        assert journal.is_done(job) == (end >= len(whole) - 1)
        finish(journal, job)
        assert Journal(tmp_path, "a").is_done(job)
    (tmp_path / NAME).write_text('[1]\n{"event": 3}\nnot JSON\n\0\n')
    assert not Journal(tmp_path, "a").is_done(job)


def test_names_of_any_kind_come_back(tmp_path: Path) -> None:
    for name in ("a b.wav", "-x.wav", "ü[1]*.wav", "new\nline.wav"):
        (tmp_path / name).write_bytes(b"sound")
        job = Job(tmp_path / name, tmp_path / f"clean {name}")
        finish(Journal(tmp_path, "a"), job)
        assert Journal(tmp_path, "a").is_done(job)
    assert all(json.loads(line) for line in (tmp_path / NAME).read_text().splitlines())


def test_a_journal_that_cannot_be_written_is_said(job: Job, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(OutputError, match="cannot read"):
        Journal(tmp_path, "a")
