"""``audioae denoise --jobs --resume``: many recordings, side by side, killed and gone on with."""

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
from click.testing import CliRunner

from audioae.cli.app import main

Make = Callable[..., Path]
Until = Callable[..., Any]
COUNT = 6


@pytest.fixture
def folder(noisy: Make, tmp_path: Path) -> Path:
    (tmp_path / "in/deep").mkdir(parents=True)
    for number in range(COUNT):
        noisy(f"in/{'deep/' if number % 2 else ''}talk {number}.wav", seconds=4 + number, subtype="FLOAT")
    return tmp_path / "in"


@pytest.fixture
def talks(noisy: Make, tmp_path: Path) -> Path:
    """Recordings that are long enough for all workers of a cluster to get some."""
    (tmp_path / "in").mkdir()
    wave, rate = soundfile.read(noisy(seconds=4), dtype="float32")
    for number in range(COUNT):
        soundfile.write(tmp_path / f"in/talk {number}.wav", np.tile(wave, 20 + number), rate, "FLOAT")
    return tmp_path / "in"


def command(folder: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "audioae", "denoise", str(folder), "-o", str(out), "--recursive", "--resume", *more]


def files(folder: Path) -> dict[str, bytes]:
    """Samples of all recordings; the bytes of the files have the time of day in them."""
    return {p.relative_to(folder).as_posix(): soundfile.read(p)[0].tobytes() for p in folder.rglob("*.wav")}


def end(process: subprocess.Popen[str]) -> None:
    """Kill it with everything that it started, as a machine that loses power does."""
    if process.poll() is not None:
        return
    for each in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        each.kill()
    process.wait()


def test_side_by_side_equals_one_by_one(folder: Path, tmp_path: Path) -> None:
    for out, jobs in (("one", "1"), ("two", "2")):
        done = subprocess.run(command(folder, tmp_path / out, "--jobs", jobs), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(" s in ") == COUNT
    names = sorted(files(tmp_path / "one"))
    assert len(names) == COUNT and names == sorted(files(tmp_path / "two"))
    for name in names:  # on other numbers of threads, sums are rounded otherwise
        one, two = (soundfile.read(tmp_path / out / name)[0] for out in ("one", "two"))
        assert np.abs(one - two).max() < 1e-5
    again = CliRunner().invoke(main, command(folder, tmp_path / "two", "--jobs", "2")[3:])
    assert again.exit_code == 0 and f"{COUNT} of {COUNT} recordings are already done and unchanged" in again.output
    changed = folder / "talk 0.wav"
    os.utime(changed, ns=(1, 1))
    again = CliRunner().invoke(main, command(folder, tmp_path / "two", "--jobs", "2")[3:])
    assert again.output.count(" s in ") == 1 and "talk 0.wav" in again.output
    assert CliRunner().invoke(main, command(folder, tmp_path / "two", "--mix", "0.5")[3:]).output.count(" s in ") == COUNT


@pytest.mark.parametrize("over", [False, True], ids=["from nothing", "over older results"])
def test_killed_at_any_moment_and_run_again(folder: Path, tmp_path: Path, over: bool) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    subprocess.run(command(folder, whole, "--jobs", "2"), check=True, capture_output=True)
    expected = files(whole)
    if over:
        subprocess.run(command(folder, out, "--jobs", "2", "--mix", "0.5"), check=True, capture_output=True)
    old = files(out)
    assert len(old) == COUNT * over and not any(old[name] == expected[name] for name in old)
    dice = random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(command(folder, out, "--jobs", "2"), stderr=subprocess.DEVNULL, text=True)
        while not half(out) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(dice.random())  # at any moment, be it after the end
        end(process)
        # Whatever is there under its name is whole, the old or the new one, and no old one is gone.
        assert all(content in (expected[name], old.get(name)) for name, content in files(out).items())
        assert files(out).keys() >= old.keys()
    done = subprocess.run(command(folder, out, "--jobs", "2"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert files(out) == expected
    assert not list(out.rglob(".*.part"))


def test_one_lost_process_loses_no_recording(talks: Path, tmp_path: Path, until: Until) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(command(talks, out, "--jobs", "2"), stderr=subprocess.PIPE, text=True)
    until(lambda: at_work(psutil.Process(process.pid).children()), process)[0].kill()
    told = process.communicate()[1]
    assert process.returncode == 0, told
    assert len(files(out)) == COUNT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_nothing_half_done_and_nobody_behind(
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
    while any(map(is_there, children)):  # each has a moment to tidy up
        time.sleep(0.01)
    assert not half(out)


def test_a_bad_recording_among_many_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "text.wav").write_text("no sound")
    report = tmp_path / "report.json"
    done = CliRunner().invoke(main, command(folder, tmp_path / "out", "--jobs", "2", "--report", str(report))[3:])
    assert done.exit_code == 1 and f"1 of {COUNT + 1} files could not be cleaned" in done.output
    assert [row["input"] for row in json.loads(report.read_text()) if "error" in row] == [str(folder / "text.wav")]
    assert "needs a folder" in CliRunner().invoke(main, ["denoise", str(folder / "talk 0.wav"), "--resume"]).output


def half(out: Path) -> list[Path]:
    """Results that are being written."""
    return list(out.rglob(".*.part"))


def is_there(process: psutil.Process) -> bool:
    """Whether it runs, and not only waits for somebody to ask how it ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def at_work(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that are writing a result."""
    found = []
    for each in processes:
        with contextlib.suppress(psutil.Error):
            found += [each] * any(file.path.endswith(".part") for file in each.open_files())
    return found


def equal(out: Path, folder: Path, alone: Path) -> None:
    """What the cluster made is what one process makes."""
    subprocess.run(command(folder, alone, "--jobs", "2"), check=True, capture_output=True)
    names = sorted(files(alone))
    assert sorted(files(out)) == names and len(names) == COUNT
    for name in names:
        one, two = (soundfile.read(each / name)[0] for each in (out, alone))
        assert np.abs(one - two).max() < 1e-5


def test_a_cluster_that_loses_a_worker(talks: Path, tmp_path: Path, until: Until) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(command(talks, out, "--engine", "ray", "--jobs", "2"), stderr=subprocess.PIPE, text=True)
    until(lambda: at_work(psutil.Process(process.pid).children(recursive=True)), process)[0].kill()
    told = process.communicate()[1]
    assert process.returncode == 0, told
    equal(out, talks, tmp_path / "alone")
    again = subprocess.run(command(talks, out, "--engine", "ray"), capture_output=True, text=True)
    assert f"{COUNT} of {COUNT} recordings are already done and unchanged" in again.stderr


def test_ctrl_c_on_a_cluster_leaves_nothing_half_done(
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


def test_a_cluster_that_loses_a_machine(talks: Path, tmp_path: Path, until: Until) -> None:
    """With its worker goes the place for another: the machine that is left does the rest."""
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

        def busy() -> list[Any]:
            raylets = [psutil.Process(machine.all_processes["raylet"][0].process.pid) for machine in machines]
            return [each for each, raylet in zip(machines, raylets, strict=True) if at_work(raylet.children(recursive=True))]

        cluster.remove_node(until(busy, process)[0], allow_graceful=False)
        told = process.communicate()[1]
        assert process.returncode == 0, told
    finally:
        cluster.shutdown()
    equal(out, talks, tmp_path / "alone")


def test_a_cluster_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(folder, tmp_path / "out", "--engine", "ray"),
        capture_output=True,
        text=True,
        env=os.environ | {"RAY_ADDRESS": "127.0.0.1:9"},
    )
    assert done.returncode == 1
    assert "no Ray cluster answers at RAY_ADDRESS=127.0.0.1:9" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
