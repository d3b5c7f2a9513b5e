"""Workers of a cluster that end when it hurts most: what runs in them is changed by the choice of model that they get."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import ray
import soundfile

import audioae
from audioae.denoisers.denoiser import Denoiser
from audioae.runtime import cluster
from audioae.runtime.files import Report
from audioae.runtime.jobs import DenoiseOptions, Job, ModelChoice

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class NeverBegins(ModelChoice):
    """Its worker ends while it loads the model."""

    def load(self) -> Denoiser:
        os._exit(1)


class FinishesUntold(ModelChoice):
    """Its worker ends after its first recording is done, before it can say so."""

    def load(self) -> Denoiser:
        from audioae.runtime import cluster

        told = cluster.denoise_file

        def untold(denoiser: Denoiser, source: Path, target: Path, *rest: object) -> Report:
            report = told(denoiser, source, target, *rest)
            once = target.with_suffix(".untold")
            if not once.exists():
                once.touch()
                os._exit(1)
            return report

        cluster.denoise_file = untold
        return super().load()


class LeavesHalf(ModelChoice):
    """Its worker ends while it writes its first recording."""

    def load(self) -> Denoiser:
        from audioae.runtime import cluster
        from audioae.system.atomic import HOST

        whole = cluster.denoise_file

        def half(denoiser: Denoiser, source: Path, target: Path, *rest: object) -> Report:
            once = target.with_suffix(".half")
            if not once.exists():
                once.touch()
                (target.parent / f".audioae-{HOST}-0123456789ab.part").write_bytes(b"RIFF")
                os._exit(1)
            return whole(denoiser, source, target, *rest)

        cluster.denoise_file = half
        return super().load()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    wave = np.random.default_rng(0).normal(0, 0.05, 16_000).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", wave, 16_000, "FLOAT")
    return Job(tmp_path / "in.wav", tmp_path / "out.wav")


def clean(job: Job, choice: ModelChoice) -> list[object]:
    return [outcome for _, outcome in cluster.clean([(job, DenoiseOptions())], choice, 1, lambda _: True)]


def test_a_worker_that_never_begins_is_an_error_in_the_end(job: Job) -> None:
    with pytest.raises(audioae.InputError, match="ended 3 times before it could begin"):
        clean(job, NeverBegins())
    assert job.is_free


def test_what_was_finished_but_not_told_is_done_again(job: Job) -> None:
    (report,) = clean(job, FinishesUntold("conv_dae"))
    assert isinstance(report, Report) and job.target.with_suffix(".untold").exists()
    wave, rate = soundfile.read(job.source, dtype="float32")
    assert np.abs(soundfile.read(job.target)[0] - audioae.load("conv_dae")(wave, rate)).max() < 1e-5


def test_what_a_lost_worker_left_half_done_is_swept_away(job: Job) -> None:
    (report,) = clean(job, LeavesHalf("conv_dae"))
    assert isinstance(report, Report)
    assert {p.name for p in job.target.parent.iterdir()} == {"in.wav", "out.wav", "out.half"}


class Buggy(ModelChoice):
    """Its worker stumbles over a bug with every recording."""

    def load(self) -> Denoiser:
        from audioae.runtime import cluster

        def denoise_file(*_: object) -> Report:
            raise IndexError("a bug")

        cluster.denoise_file = denoise_file
        return super().load()


class NeverLoads(ModelChoice):
    """Its worker stumbles over a bug when it loads the model."""

    def load(self) -> Denoiser:
        raise IndexError("a bug")


class AlwaysDies(ModelChoice):
    """Its worker is killed with every recording."""

    def load(self) -> Denoiser:
        from audioae.runtime import cluster

        def denoise_file(*_: object) -> Report:
            os.kill(os.getpid(), 9)
            raise AssertionError

        cluster.denoise_file = denoise_file
        return super().load()


def test_a_bug_is_told_as_such_and_not_as_a_lost_worker(job: Job) -> None:
    (outcome,) = clean(job, Buggy("conv1d_dae"))
    assert isinstance(outcome, audioae.errors.UnexpectedError) and "in.wav: an error in audioae itself" in str(outcome)
    with pytest.raises(audioae.errors.UnexpectedError, match="IndexError: a bug"):
        clean(job, NeverLoads("conv1d_dae"))


def test_a_recording_that_kills_its_workers_is_named(job: Job) -> None:
    (outcome,) = clean(job, AlwaysDies("conv1d_dae"))
    assert isinstance(outcome, audioae.InputError)
    assert "in.wav: its worker was lost 3 times" in str(outcome) and "\n" not in str(outcome)


OTHER = """
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
print("up", flush=True)
input()
cluster.shutdown()
"""


def test_a_cluster_of_its_own_beside_another_on_this_machine(job: Job) -> None:
    with subprocess.Popen([sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline().endswith("up\n")
        (report,) = clean(job, ModelChoice("conv1d_dae"))
        assert isinstance(report, Report) and other.poll() is None
        other.communicate("\n")
