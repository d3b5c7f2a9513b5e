"""Lists of recordings: valid ones, and damaged ones, which are rejected in one line."""

import json
from pathlib import Path

import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audioae.cli.app import main
from audioae.data.pairs import find_pairs
from audioae.data.sources import find, list_files
from audioae.errors import AudioaeError, DataError
from audioae.train.log import read_log

BAD = {
    "NUL": (".jsonl", b'{"file": "a\\u0000b.wav"}\n', "holds a NUL"),
    "NUL in CSV": (".csv", b"file\na\0b.wav\n", "NUL"),
    "half a character": (".jsonl", b'{"file": "a\\ud800b.wav"}\n', "part of a character"),
    "nested": (".jsonl", b"[" * 100_000 + b"\n", "nested too deeply"),
    "nested objects": (".jsonl", b'{"file":' * 100_000 + b"\n", "nested too deeply"),
    "a nested name": (".jsonl", b'{"file": ' + b"[" * 900 + b"]" * 900 + b"}\n", "every row needs"),
    "no object": (".jsonl", b"5\n", "should be a JSON object"),
    "torn": (".jsonl", b'{"file": "a.wav"}\n{"fi', "not a readable manifest"),
    "another encoding": (".csv", b"file\nt\xe9l.wav\n", "not a readable manifest"),
    "UTF-16": (".jsonl", '{"file": "a.wav"}\n'.encode("utf-16"), "not a readable manifest"),
    "a huge field": (".csv", b"file\n" + b"x" * 200_000 + b"\n", "not a readable manifest"),
    "a long name": (".jsonl", json.dumps({"file": "x" * 100_000}).encode(), "100000 characters long"),
    "a huge number": (".jsonl", b'{"file": ' + b"1" * 10_000 + b"}\n", "not a readable manifest"),
}


USES = [(kind, use) for kind in BAD for use in ("clean", "pairs", "notes") if use != "notes" or BAD[kind][0] == ".csv"]


@pytest.mark.parametrize(("kind", "use"), USES)
def test_a_damaged_manifest_is_rejected_in_one_line(kind: str, use: str, tmp_path: Path, samples: Path) -> None:
    ending, content, told = BAD[kind]
    path = tmp_path / f"list{ending}"
    path.write_bytes(content if use != "pairs" else content.replace(b"file", b"noisy"))
    if use == "notes":
        path = path.rename(tmp_path / "pairs.csv")
        for side in ("noisy", "clean"):
            (tmp_path / side).symlink_to(samples / side)
    with pytest.raises(DataError, match=told) as caught:
        find_pairs(str(tmp_path if use == "notes" else path)) if use != "clean" else list_files([str(path)])
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_the_command_reports_a_damaged_manifest(tmp_path: Path) -> None:
    (tmp_path / "n.jsonl").write_bytes(BAD["nested"][1])
    (tmp_path / "r.yaml").write_text(
        "model: {kind: conv1d_dae}\nlosses: {l1: 1}\nvalid: {measures: [si_sdr], best: si_sdr}\n"
    )
    made = CliRunner().invoke(main, ["evaluate", "--pairs", str(tmp_path / "n.jsonl")])
    assert made.exit_code == 1 and made.output.count("\n") == 1 and "n.jsonl" in made.output


def test_a_valid_manifest_with_unusual_names(tmp_path: Path, samples: Path) -> None:
    wave, rate = soundfile.read(samples / "noisy/8k-fire.flac", frames=800)
    for name in ("a b.wav", "ünï.wav", "new\nline.wav"):
        soundfile.write(tmp_path / name, wave, rate)
    rows = [{"file": path.name, "seconds": 1, "more": None} for path in sorted(tmp_path.iterdir())]
    (tmp_path / "l.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "l.csv").write_text('﻿path,x\n"a b.wav",\nünï.wav,1\n"new\nline.wav",2\n', encoding="utf-8")
    for name in ("l.jsonl", "l.csv"):
        assert len(find([str(tmp_path / name)], 0.0).clips) == 3


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from([".csv", ".jsonl"]), st.integers(0, 30))
def test_any_manifest_is_read_or_rejected(tmp_path: Path, junk: bytes, ending: str, at: int) -> None:
    good = b"file,noisy\na.wav,b.wav\n" if ending == ".csv" else b'{"file": "a.wav", "noisy": "b.wav"}\n'
    path = tmp_path / f"l{ending}"
    path.write_bytes(good[:at] + junk + good[at:])
    for use in (lambda: find([str(path)], 1.0), lambda: find_pairs(str(path), [])):
        try:
            use()
        except AudioaeError as error:
            assert str(path) in str(error) or str(tmp_path) in str(error)


def test_a_damaged_log_is_read_up_to_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for damage in (b'{"step": 2', b"[" * 100_000, b"5", b'{"no": 1}', b'{"step": "x"}', b"\xff\xfe\n", b"null"):
        path.write_bytes(b'{"step": 1}\n' + damage + b'\n{"step": 3}\n')
        assert read_log(path) == [{"step": 1}]
