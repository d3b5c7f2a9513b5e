"""A failure on one recording, by a bug or a killed process, is reported for it, and the others are cleaned."""

import importlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from audioae.cli.app import main
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import AudioaeError, InputError, UnexpectedError
from audioae.runtime import corpus, files
from audioae.runtime.attempt import attempt
from audioae.runtime.files import Report
from audioae.runtime.jobs import STANDARD, DenoiseOptions, Job, ModelChoice

JOB = Job(Path("in/a.wav"), Path("out/a.wav"))
OWN = "an error in audioae itself"

# Replaces the work of the pool's processes, by the name of the recording; it is imported there.
SABOTAGE = '''
import os
import signal

from audioae.runtime import corpus
from audioae.runtime.jobs import ModelChoice

whole = corpus.clean_job


class Local(Exception):
    """Cannot be sent to another process."""

    def __init__(self, one, two):
        super().__init__("local\\nlines")


def clean_job(denoiser, job, *rest):
    if job.source.stem == "bug":
        raise Local(1, 2)
    if job.source.stem == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(denoiser, job, *rest)


class Saboteur(ModelChoice):
    def load(self):
        corpus.clean_job = clean_job
        return super().load()


class NeverLoads(ModelChoice):
    def load(self):
        raise ZeroDivisionError("no model")
'''


def raises(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_errors_are_values_and_name_their_recording() -> None:
    assert attempt(lambda: 5, JOB) == 5
    own = InputError("in/a.wav: is torn")
    assert attempt(raises(own), JOB) is own
    made = attempt(raises(IndexError("one\nand two")), JOB)
    assert isinstance(made, UnexpectedError) and str(made).startswith(
        "in/a.wav: an error in audioae itself (IndexError: one and two)"
    )
    assert "test_attempt.py" in made.trace
    again = pickle.loads(pickle.dumps(made))
    assert (str(again), again.trace) == (str(made), made.trace)
    assert "not enough memory" in str(attempt(raises(MemoryError()), JOB))
    assert isinstance(attempt(raises(BrokenPipeError()), JOB), UnexpectedError)
    with pytest.raises(BrokenPipeError):
        attempt(raises(BrokenPipeError()), Job(Path("a.wav"), STANDARD))


@pytest.fixture
def folder(noisy: Callable[..., Path], tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("a", "bug", "killed", "z"):
        noisy(f"in/{name}.wav", seconds=0.3)
    return tmp_path / "in"


def test_a_bug_with_one_recording_does_not_stop_the_others(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = files.denoise_file

    def denoise_file(denoiser: Denoiser, source: Path, *rest: object) -> Report:
        if source.stem == "bug":
            raise KeyError("no such thing")
        return whole(denoiser, source, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(files, "denoise_file", denoise_file)
    arguments = ["denoise", str(folder), "-o", str(tmp_path / "out"), "--report", str(tmp_path / "r.json"), "--overwrite"]
    made = CliRunner().invoke(main, [*arguments, "--model", "conv1d_dae"])
    assert made.exit_code == 1 and "1 of 4 files could not be cleaned" in made.output
    assert f"bug.wav: {OWN} (KeyError: 'no such thing')" in made.output and "Traceback" not in made.output
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == ["a", "killed", "z"]
    (wrong,) = [row for row in json.loads((tmp_path / "r.json").read_text()) if "error" in row]
    assert wrong["input"].endswith("bug.wav")
    assert "Traceback" in CliRunner().invoke(main, [*arguments, "--model", "conv1d_dae", "-v"]).output


def sabotaged(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelChoice:
    (tmp_path / "sabotage.py").write_text(SABOTAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    choice: ModelChoice = getattr(importlib.import_module("sabotage"), name)("conv1d_dae")
    return choice


def test_in_parallel_bugs_and_killed_processes_are_reported_by_recording(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    jobs = [(Job(path, tmp_path / "out" / path.name), DenoiseOptions()) for path in sorted(folder.iterdir())]
    choice = sabotaged("Saboteur", tmp_path, monkeypatch)
    outcomes = {job.source.stem: outcome for job, outcome in corpus.clean(jobs, choice, 2, lambda _: True)}
    assert isinstance(outcomes["a"], Report) and isinstance(outcomes["z"], Report)
    assert isinstance(
        outcomes["bug"], UnexpectedError
    ) and "bug.wav: an error in audioae itself (Local: local lines)" in str(outcomes["bug"])
    assert isinstance(outcomes["killed"], AudioaeError)
    assert "killed.wav: its process was killed" in str(outcomes["killed"]) and "\n" not in str(outcomes["killed"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.wav", "z.wav"]


def test_a_model_that_no_process_can_load_is_reported(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(folder / "a.wav", tmp_path / "a.wav")
    choice = sabotaged("NeverLoads", tmp_path, monkeypatch)
    ((_, outcome),) = corpus.clean([(job, DenoiseOptions())], choice, 1, lambda _: True)
    assert isinstance(outcome, UnexpectedError) and "ZeroDivisionError: no model" in str(outcome)
