"""The journal of a folder of results."""

import json
import os
from pathlib import Path

import pytest

from audioae.errors import OutputError
from audioae.runtime.jobs import Job
from audioae.runtime.journal import NAME, Journal, ResultState


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "in.wav").write_bytes(b"sound")
    return Job(tmp_path / "in.wav", tmp_path / "out.wav", tmp_path / "rest.wav")


def finish(journal: Journal, job: Job) -> None:
    journal.begin(job)
    for path in job.outputs:
        path.write_bytes(b"clean")
    journal.done(job, {"speed": 3})


def test_finished_recordings_are_skipped_until_something_changes(job: Job, tmp_path: Path) -> None:
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


def test_a_recording_that_changes_during_cleaning_is_cleaned_again(job: Job, tmp_path: Path) -> None:
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
    assert Journal(tmp_path, "a").is_done(odd) and Journal(tmp_path, "a").result_state(odd) is ResultState.MADE


def test_foreign_lines_are_ignored(job: Job, tmp_path: Path) -> None:
    finish(Journal(tmp_path, "a"), job)
    with open(tmp_path / NAME, "a") as file:
        file.write('{"event": "done", "input": "x", "outputs": null}\n[1]\n"text"\n')
    assert Journal(tmp_path, "a").is_done(job)


def test_the_state_of_results_depends_on_the_run_that_wrote_them(job: Job, tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a")
    assert journal.result_state(job) is ResultState.FREE
    journal.begin(job)
    job.target.write_bytes(b"clean")
    again = Journal(tmp_path, "a")
    assert again.result_state(job) is ResultState.BEGUN and not again.is_done(job)
    finish(again, job)
    assert Journal(tmp_path, "b").result_state(job) is ResultState.MADE
    job.target.write_bytes(b"changed")
    assert Journal(tmp_path, "a").result_state(job) is ResultState.MADE
    other = Job(tmp_path / "in.wav", tmp_path / "theirs.wav")
    other.target.write_bytes(b"not ours")
    assert again.result_state(other) is ResultState.FOREIGN
    again.begin(other)  # which fails, because the file exists; the next run has the same information
    assert Journal(tmp_path, "a").result_state(other) is ResultState.FOREIGN


@pytest.mark.parametrize("content", [b"", b"cle", b"CLEAN"], ids=["emptied", "cut", "changed"])
@pytest.mark.parametrize("which", [0, 1], ids=["result", "removed"])
def test_a_result_that_changes_is_made_again(job: Job, tmp_path: Path, content: bytes, which: int) -> None:
    finish(Journal(tmp_path, "a"), job)
    path = job.outputs[which]
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert not Journal(tmp_path, "a").is_done(job)


def test_a_result_that_is_copied_back_is_still_done(job: Job, tmp_path: Path) -> None:
    finish(Journal(tmp_path, "a"), job)
    os.utime(job.target, ns=(1, 1))
    assert Journal(tmp_path, "a").is_done(job)


def test_recordings_finished_by_another_run_are_skipped(job: Job, tmp_path: Path) -> None:
    one, two = Journal(tmp_path, "a"), Journal(tmp_path, "a")
    assert one.begin(job) and two.begin(job)  # both at once: no harm, but twice the work
    finish(one, job)
    assert not two.begin(job)
    assert Journal(tmp_path, "a").is_done(job)


def test_an_incomplete_line_of_another_run(job: Job, tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a")
    journal.begin(job)
    with open(tmp_path / NAME, "a") as file:
        file.write('{"event": "begun", "inp')
    finish(journal, job)
    assert Journal(tmp_path, "a").is_done(job)


def test_a_journal_cut_at_any_byte_can_be_continued(job: Job, tmp_path: Path) -> None:
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


def test_names_of_any_kind_are_read_back(tmp_path: Path) -> None:
    for name in ("a b.wav", "-x.wav", "ü[1]*.wav", "new\nline.wav"):
        (tmp_path / name).write_bytes(b"sound")
        job = Job(tmp_path / name, tmp_path / f"clean {name}")
        finish(Journal(tmp_path, "a"), job)
        assert Journal(tmp_path, "a").is_done(job)
    assert all(json.loads(line) for line in (tmp_path / NAME).read_text().splitlines())


def test_a_journal_that_cannot_be_written_is_reported(job: Job, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(OutputError, match="cannot read"):
        Journal(tmp_path, "a")
