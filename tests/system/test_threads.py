"""Small work takes one thread, and the number of torch's threads is restored afterwards."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import audioae
from audioae.cli.app import main
from audioae.cli.threads import WAITING, at_most, wait_passively
from audioae.denoisers.denoiser import Denoiser
from audioae.runtime.onnx_run import OnnxNetwork
from audioae.signal.phase import griffin_lim
from audioae.system import threads

COMPUTING = sorted(set(main.commands) - {"models", "recipes"})
RATE = 8000


@pytest.fixture
def three() -> Iterator[None]:
    """A torch that may use three threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)


@contextmanager
def noted(denoiser: Denoiser) -> Iterator[list[int]]:
    """Number of threads of each run of the network."""
    found: list[int] = []

    def note(module: nn.Module, arguments: Any) -> None:
        found.append(torch.get_num_threads())

    hook = denoiser.network.register_forward_pre_hook(note)
    try:
        yield found
    finally:
        hook.remove()


def noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.01, int(seconds * RATE)).astype(np.float32)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("way", ["module", "stream"])
def test_small_work_takes_one_thread(way: str, denoiser: Denoiser) -> None:
    with noted(denoiser) as seen:
        if way == "module":
            denoiser(noise(3), RATE)
        else:
            audioae.Streamer(denoiser, RATE).feed(noise(1))
    assert set(seen) == {1}


@pytest.mark.usefixtures("three")
def test_long_recordings_are_cut_into_segments_with_a_thread_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from audioae.runtime import segments

    denoiser = audioae.load("conv1d_dae")
    monkeypatch.setattr(segments, "SEGMENT_SECONDS", 24.0)
    workers = []
    begin = segments.SegmentStreamer.__init__

    def noting(self: Any, streamer: Any, count: int, *more: Any) -> None:
        workers.append(count)
        begin(self, streamer, count, *more)

    monkeypatch.setattr(segments.SegmentStreamer, "__init__", noting)
    audioae.denoise(noise(3), RATE, denoiser)
    assert workers == []
    long = noise(49)
    with noted(denoiser) as seen:
        cut = audioae.denoise(long, RATE, denoiser)
        assert workers == [3] and set(seen) == {1}
    assert np.abs(cut - denoiser(long, RATE)).max() < 1e-5


@pytest.mark.usefixtures("three")
def test_large_work_takes_all_threads(denoiser: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "SMALL_SECONDS", 3.0)
    with noted(denoiser) as seen:
        denoiser(noise(3), RATE)
    assert set(seen) == {3}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("module", "make"),
    [
        ("autoencoders.autoencoder", lambda: audioae.sample("vae_1d")),
        ("generators.generator", lambda: audioae.generate("vanilla_gan")),
    ],
)
def test_a_few_new_sounds_take_one_thread(module: str, make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    found, phase = [], griffin_lim

    def noting(*arguments: Any) -> torch.Tensor:
        found.append(torch.get_num_threads())
        return phase(*arguments)

    monkeypatch.setattr(f"audioae.{module}.griffin_lim", noting)
    make()
    assert found == [1]


@pytest.mark.usefixtures("three")
def test_a_training_leaves_cores_to_data_workers_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [threads.training_threads(workers) for workers in (0, 1, 2, 8)] == [3, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.training_threads(8) == 3


@pytest.mark.usefixtures("export_once")
def test_frames_by_onnx_are_run_by_the_thread_that_calls() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    (part,) = audioae.load("conv_dae", backend="onnx").parts(RATE)
    assert isinstance(part.network, OnnxNetwork)
    options = part.network.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize("name", COMPUTING)
def test_every_command_that_computes_takes_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, command, found = torch.get_num_threads(), main.commands[name], []
    monkeypatch.setattr(
        command, "callback", lambda **_: found.append((torch.get_num_threads(), os.environ["OPENBLAS_NUM_THREADS"]))
    )
    monkeypatch.setattr(command, "params", [each for each in command.params if each.name == "threads"])
    environment = dict(os.environ)
    run = CliRunner().invoke(main, [name, "--threads", "2"])
    assert run.exit_code == 0, run.output
    assert found == [(2, "2")]
    assert torch.get_num_threads() == before and dict(os.environ) == environment
    with monkeypatch.context() as patch:
        patch.setattr(command, "callback", lambda **_: None)
        assert CliRunner().invoke(main, [name, "--threads", "0"]).exit_code == 2


def test_child_processes_keep_the_limit() -> None:
    with at_most(2):
        told = subprocess.run([sys.executable, "-c", "import torch; print(torch.get_num_threads())"], capture_output=True)
    assert told.stdout.split() == [b"2"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {**WAITING, "OPENBLAS_NUM_THREADS": "1"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE", "OPENBLAS_NUM_THREADS": "1"}),
        ({"OMP_NUM_THREADS": "4"}, {"OMP_NUM_THREADS": "4", **WAITING}),
    ],
)
def test_settings_of_the_user_are_kept(given: dict[str, str], expected: dict[str, str]) -> None:
    wait_passively(given)
    assert given == expected


def test_threads_wait_without_spinning_from_before_torch_is_loaded() -> None:
    program = """
import json, os, sys
from audioae import __main__ as program
def main(**_):
    print(json.dumps(["torch" in sys.modules, "numpy" in sys.modules, dict(os.environ)]))
program.main = main
program.run()
"""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    torch_there, numpy_there, found = json.loads(told.stdout)
    assert not torch_there and not numpy_there
    assert found.items() >= WAITING.items()


def test_importing_the_package_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os; before = dict(os.environ); import audioae; audioae.load; print(before == dict(os.environ))"
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert told.stdout.split() == ["True"]
