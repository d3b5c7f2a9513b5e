"""``audioae denoise --jobs --resume``: many recordings in parallel, killed and resumed."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from click.testing import CliRunner, Result

from audioae.cli.app import main
from audioae.denoisers.denoiser import Denoiser

Make = Callable[..., Path]
Until = Callable[..., Any]
Waves = dict[str, np.ndarray]
COUNT = 6
NAMES = [f"{'deep/' if number % 2 else ''}talk {number}.wav" for number in range(COUNT)]


@pytest.fixture
def folder(noisy: Make, tmp_path: Path) -> Path:
    (tmp_path / "in/deep").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        noisy(f"in/{name}", seconds=4 + number, subtype="FLOAT")
    return tmp_path / "in"


@pytest.fixture
def expected(denoiser: Denoiser, folder: Path) -> Waves:
    """Results of ``folder`` by their names."""
    return {name: denoiser(*soundfile.read(folder / name, dtype="float32")) for name in NAMES}


@pytest.fixture
def talks(noisy: Make, tmp_path: Path) -> Path:
    """Recordings long enough that every worker of a cluster gets some."""
    (tmp_path / "in").mkdir()
    wave, rate = soundfile.read(noisy(seconds=4), dtype="float32")
    for number in range(COUNT):
        soundfile.write(tmp_path / f"in/talk {number}.wav", np.tile(wave, 20 + number), rate, "FLOAT")
    return tmp_path / "in"


def command(folder: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "audioae", "denoise", str(folder), "-o", str(out), "--recursive", "--resume", *more]


def run(folder: Path, out: Path, *more: str) -> Result:
    """The same in this process."""
    return CliRunner().invoke(main, command(folder, out, *more)[3:])


def files(folder: Path) -> Waves:
    return {p.relative_to(folder).as_posix(): soundfile.read(p)[0] for p in folder.rglob("*.wav")}


def close(one: np.ndarray, two: np.ndarray) -> bool:
    """Compare within rounding, which depends on the number of threads."""
    return len(one) == len(two) and bool(np.abs(one - two).max() < 1e-5)


def equal(made: Waves, expected: Waves) -> bool:
    return made.keys() == expected.keys() and all(close(made[name], wave) for name, wave in expected.items())


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children, as in a power failure."""
    if process.poll() is not None:
        return
    for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        each.kill()
    process.wait()


def test_side_by_side_equals_one_by_one(folder: Path, tmp_path: Path, expected: Waves) -> None:
    for out, jobs in (("one", "1"), ("two", "2")):
        done = run(folder, tmp_path / out, "--jobs", jobs)
        assert done.exit_code == 0, done.output
        assert done.output.count(" s in ") == COUNT
        assert equal(files(tmp_path / out), expected)
    again = run(folder, tmp_path / "two", "--jobs", "2")
    assert again.exit_code == 0 and f"{COUNT} of {COUNT} recordings are already done and unchanged" in again.output
    changed = folder / "talk 0.wav"
    os.utime(changed, ns=(1, 1))
    again = run(folder, tmp_path / "two", "--jobs", "2")
    assert again.output.count(" s in ") == 1 and "talk 0.wav" in again.output
    assert run(folder, tmp_path / "two", "--mix", "0.5").output.count(" s in ") == COUNT


@pytest.mark.parametrize("over", [False, True], ids=["from nothing", "over older results"])
def test_a_run_killed_at_any_moment_can_be_repeated(folder: Path, tmp_path: Path, expected: Waves, over: bool) -> None:
    out = tmp_path / "out"
    if over:
        assert run(folder, out, "--mix", "0.5").exit_code == 0
    old = files(out)
    assert len(old) == COUNT * over and not any(close(old[name], expected[name]) for name in old)
    dice = random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(command(folder, out, "--jobs", "2"), stderr=subprocess.DEVNULL, text=True)
        while not half(out) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(dice.random())  # at any moment, also after the end
        end(process)
        # Every file is complete, the old or the new one, and no old one is missing.
        for name, wave in files(out).items():
            assert close(wave, expected[name]) or (name in old and np.array_equal(wave, old[name]))
        assert files(out).keys() >= old.keys()
    done = run(folder, out)
    assert done.exit_code == 0, done.output
    assert equal(files(out), expected)
    assert not list(out.rglob(".*.part"))


def test_one_lost_process_loses_no_recording(talks: Path, tmp_path: Path, until: Until) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(command(talks, out, "--jobs", "2"), stderr=subprocess.PIPE, text=True)
    until(lambda: at_work(psutil.Process(process.pid).children()), process)[0].kill()
    told = process.communicate()[1]
    assert process.returncode == 0, told
    assert len(files(out)) == COUNT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_no_partial_files_and_no_processes(
    folder: Path, endless: Callable[[str], Path], tmp_path: Path, number: int, until: Until
) -> None:
    out = tmp_path / "out"
    endless("in/a.wav")
    process = subprocess.Popen(command(folder, out, "--jobs", "2"), stderr=subprocess.PIPE, text=True)
    until(lambda: half(out), process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    told = process.communicate()[1]
    assert process.returncode == (130 if number == signal.SIGINT else 128 + number), told
    while any(map(is_there, children)):  # each has time to clean up
        time.sleep(0.01)
    assert not half(out)


def test_a_bad_recording_among_many_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "text.wav").write_text("no sound")
    report = tmp_path / "report.json"
    done = run(folder, tmp_path / "out", "--jobs", "2", "--report", str(report))
    assert done.exit_code == 1 and f"1 of {COUNT + 1} files could not be cleaned" in done.output
    assert [row["input"] for row in json.loads(report.read_text()) if "error" in row] == [str(folder / "text.wav")]
    assert "needs a folder" in CliRunner().invoke(main, ["denoise", str(folder / "talk 0.wav"), "--resume"]).output


def half(out: Path) -> list[Path]:
    """Results that are being written."""
    return list(out.rglob(".*.part"))


def is_there(process: psutil.Process) -> bool:
    """Whether the process runs and is not a zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def at_work(processes: list[psutil.Process]) -> list[psutil.Process]:
    """The processes that are writing a result."""
    found = []
    for each in processes:
        with contextlib.suppress(psutil.Error):
            found += [each] * any(file.path.endswith(".part") for file in each.open_files())
    return found


def test_ctrl_c_on_a_cluster_leaves_no_partial_files(
    talks: Path, endless: Callable[[str], Path], tmp_path: Path, until: Until
) -> None:
    out = tmp_path / "out"
    endless("in/a.wav")
    process = subprocess.Popen(
        command(talks, out, "--engine", "ray", "--jobs", "2"), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until(lambda: half(out), process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    told = process.communicate()[1]
    assert process.returncode == 130 and "Traceback" not in told, told
    assert not list(out.rglob(".*.part"))


def test_a_cluster_that_loses_a_worker_and_then_a_machine(
    talks: Path, tmp_path: Path, until: Until, denoiser: Denoiser
) -> None:
    """The slot of a worker is lost with the machine; the remaining worker does the rest."""
    from ray.cluster_utils import Cluster

    out = tmp_path / "out"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        machines = [cluster.add_node(num_cpus=1) for _ in range(2)]
        process = subprocess.Popen(
            command(talks, out, "--engine", "ray"),
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"RAY_ADDRESS": cluster.address},
        )

        raylets = [psutil.Process(machine.all_processes["raylet"][0].process.pid) for machine in machines]

        def busy() -> list[tuple[Any, psutil.Process]]:
            workers = [at_work(raylet.children(recursive=True)) for raylet in raylets]
            return [(machine, each) for machine, found in zip(machines, workers, strict=True) for each in found]

        until(busy, process)[0][1].kill()
        cluster.remove_node(until(busy, process)[0][0], allow_graceful=False)
        told = process.communicate()[1]
        assert process.returncode == 0, told
    finally:
        cluster.shutdown()
    assert equal(files(out), {path.name: denoiser(*soundfile.read(path, dtype="float32")) for path in talks.iterdir()})
    again = run(talks, out, "--engine", "ray")
    assert f"{COUNT} of {COUNT} recordings are already done and unchanged" in again.output


def test_a_missing_cluster_is_reported(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    done = run(folder, tmp_path / "out", "--engine", "ray")
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
    assert "no Ray cluster answers at RAY_ADDRESS=127.0.0.1:9" in done.output
    assert len(done.output.strip().splitlines()) == 1
