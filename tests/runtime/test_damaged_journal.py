"""A journal with damaged lines: they are ignored, and the other lines are read."""

from pathlib import Path

import pytest

from audioae.runtime.jobs import Job
from audioae.runtime.journal import NAME, Journal

DAMAGE = [
    b"[" * 100_000,
    b'{"event":' * 100_000,
    b'{"event": "done", "input": ["x"], "outputs": []}',
    b'{"event": "done", "input": {}, "outputs": ["y"]}',
    b'{"event": "begun", "input": [], "outputs": []}',
    b'{"event": "done", "input": "x", "outputs": [[1]]}',
    b'{"event": "done", "input": "x", "outputs": 5}',
    b'{"event": ' + b"1" * 10_000 + b"}",
    b"null",
    b"\0" * 5000,
    b'"\xff\xfe\xed\xa0\x80',
]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_line_is_ignored(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.wav").write_bytes(b"sound")
    job = Job(tmp_path / "in.wav", tmp_path / "out.wav")
    (tmp_path / NAME).write_bytes(damage + b"\n")
    journal = Journal(tmp_path, "a")
    journal.begin(job)
    job.target.write_bytes(b"clean")
    journal.done(job, {})
    with open(tmp_path / NAME, "ab") as file:
        file.write(damage + b"\n" + damage)
    assert Journal(tmp_path, "a").is_done(job)
    assert not Journal(tmp_path, "a").is_done(Job(tmp_path / "other.wav", tmp_path / "x.wav"))
