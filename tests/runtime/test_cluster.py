"""Workers of a cluster that end at critical moments, by a replaced choice of model."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
import soundfile
from click.testing import CliRunner

import audioae
from audioae.cli.app import main
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import AudioaeError, UnexpectedError
from audioae.runtime import cluster
from audioae.runtime.files import Report
from audioae.runtime.jobs import DenoiseOptions, Job, ModelChoice
from tests.conftest import SAMPLES

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Saboteur(ModelChoice):
    """Its worker treats a recording by its name."""

    def load(self) -> Denoiser:
        from audioae.runtime import cluster
        from audioae.system.atomic import HOST

        whole = cluster.clean_job

        def clean_job(denoiser: Denoiser, job: Job, *rest: object) -> Report:
            target, name = job.target, job.source.stem
            once = target.with_suffix(".once")
            lost = name in ("half", "untold") and not once.exists()
            if lost:
                once.touch()
            if name == "bug":
                raise IndexError("a bug")
            if name == "killed":
                os.kill(os.getpid(), 9)
            if lost and name == "half":  # the worker ends while it writes
                (target.parent / f".audioae-{HOST}-0123456789ab.part").write_bytes(b"RIFF")
                os._exit(1)
            report = whole(denoiser, job, *rest)
            if lost:  # it ends after the recording is done and before it can report that
                os._exit(1)
            return report

        cluster.clean_job = clean_job
        return super().load()


class NeverBegins(ModelChoice):
    """Its worker ends while it loads the model."""

    def load(self) -> Denoiser:
        os._exit(1)


class NeverLoads(ModelChoice):
    """Its worker raises a bug when it loads the model."""

    def load(self) -> Denoiser:
        raise IndexError("a bug")


@pytest.fixture(scope="module", autouse=True)
def joined() -> Iterator[None]:
    """A cluster of one worker, which all tests share."""
    cluster.start(1)
    yield
    ray.shutdown()


def jobs(folder: Path, *names: str) -> list[Job]:
    wave = np.random.default_rng(0).normal(0, 0.05, 16_000).astype(np.float32)
    (folder / "out").mkdir()
    for name in names:
        soundfile.write(folder / f"{name}.wav", wave, 16_000, "FLOAT")
    return [Job(folder / f"{name}.wav", folder / f"out/{name}.wav") for name in names]


def clean(jobs: list[Job], choice: ModelChoice) -> dict[str, Report | AudioaeError]:
    cleaned = cluster.clean([(job, DenoiseOptions()) for job in jobs], choice, 1, lambda _: True)
    return {job.source.stem: outcome for job, outcome in cleaned}


Cleaned = tuple[Path, dict[str, Report | AudioaeError]]


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Cleaned:
    """Folder and outcomes of recordings, each with another failure."""
    folder = tmp_path_factory.mktemp("recordings")
    return folder, clean(jobs(folder, "untold", "bug", "half", "killed", "whole"), Saboteur("conv1d_dae"))


def test_finished_but_unreported_recordings_are_cleaned_again(cleaned: Cleaned) -> None:
    folder, outcomes = cleaned
    assert isinstance(outcomes["untold"], Report) and (folder / "out/untold.once").exists()
    wave, rate = soundfile.read(folder / "untold.wav", dtype="float32")
    expected = audioae.load("conv1d_dae")(wave, rate)
    for name in ("untold", "half", "whole"):
        assert np.abs(soundfile.read(folder / f"out/{name}.wav")[0] - expected).max() < 1e-5


def test_temporary_files_of_a_lost_worker_are_removed(cleaned: Cleaned) -> None:
    folder, outcomes = cleaned
    assert isinstance(outcomes["half"], Report) and isinstance(outcomes["whole"], Report)
    made = {"untold.once", "untold.wav", "half.once", "half.wav", "whole.wav"}
    assert {p.name for p in (folder / "out").iterdir()} == made


def test_a_bug_is_not_reported_as_a_lost_worker(cleaned: Cleaned) -> None:
    bug = cleaned[1]["bug"]
    assert isinstance(bug, UnexpectedError) and "bug.wav: an error in audioae itself (IndexError: a bug)" in str(bug)


def test_a_recording_that_kills_its_workers_is_named(cleaned: Cleaned) -> None:
    killed = cleaned[1]["killed"]
    assert isinstance(killed, audioae.InputError)
    assert "killed.wav: its worker was lost 3 times" in str(killed) and "\n" not in str(killed)


def test_a_worker_that_never_begins_is_an_error(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, "a")
    with pytest.raises(audioae.InputError, match="ended 3 times before it could begin"):
        clean([job], NeverBegins())
    assert not job.target.exists()


def test_a_bug_in_loading_is_reported_as_a_bug(tmp_path: Path) -> None:
    with pytest.raises(UnexpectedError, match="IndexError: a bug"):
        clean(jobs(tmp_path, "a"), NeverLoads("conv1d_dae"))


@pytest.mark.parametrize("failures", [2, 3])
def test_a_cluster_that_starts_late_is_tried_again(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def init(*_: object, **__: object) -> None:
        tried.append(1)
        if len(tried) <= failures:
            raise Exception("The node timed out\nduring startup.")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    if failures < 3:
        cluster.start(1)
    else:
        with pytest.raises(
            audioae.InputError, match=r"^Ray cannot be started on this machine \(The node timed out\): clean"
        ):
            cluster.start(1)
    assert len(tried) == 3


def test_a_cluster_of_its_own_beside_another_on_this_machine(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, "a")
    words = [str(job.source), "-o", str(job.target), "-m", "conv1d_dae", "--engine", "ray", "--jobs", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    run = subprocess.run(
        [sys.executable, "-m", "audioae", "denoise", *words], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0 and job.target.is_file(), run.stderr


def test_segments_of_speech_come_from_the_cluster_too(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("16k-fire", "16k-rain"):
        wave, rate = soundfile.read(SAMPLES / f"noisy/{name}.flac", dtype="float32")
        soundfile.write(source / f"{name}.wav", np.pad(wave, rate), rate)
    made = {}
    for engine in ("local", "ray"):
        out = tmp_path / engine
        words = [str(source), "-o", str(out), "-m", "conv1d_dae", "--vad", str(out / "speech"), "--vad-format", "csv"]
        run = CliRunner().invoke(
            main, ["denoise", *words, "--report", str(out) + ".json", "--engine", engine, "--jobs", "1"]
        )
        assert run.exit_code == 0, run.output
        texts = [path.read_text() for path in sorted((out / "speech").iterdir())]
        made[engine] = texts, sorted(row["speech"] for row in json.loads(Path(f"{out}.json").read_text()))
    assert made["ray"] == made["local"]
    assert len(made["ray"][0]) == 2 and all(text.count("\n") > 1 for text in made["ray"][0]) and made["ray"][1][0] > 0.5
