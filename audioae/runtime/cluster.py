"""Cleans recordings on a Ray cluster, with one worker for each GPU or core.

All machines must find recordings and results by the same paths.
"""

import itertools
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audioae.errors import AudioaeError, InputError, MissingExtraError
from audioae.runtime.attempt import attempt, fault
from audioae.runtime.corpus import Outcome
from audioae.runtime.files import Report, clean_job
from audioae.runtime.jobs import DenoiseOptions, Job, ModelChoice
from audioae.system.threads import use

ATTEMPTS = 3
"""Attempts for a recording whose worker is lost."""
QUEUED_PER_WORKER = 2
"""Recordings that are submitted to a worker at a time: the one that it cleans, and the next."""
CONNECT_TIMEOUT = 10.0
"""Timeout in seconds for the cluster to answer."""
END_TIMEOUT = 10.0
"""Timeout in seconds for a worker to end."""
START_TIMEOUT = 300.0
"""Timeout in seconds for the first worker to start."""


def clean(
    jobs: Sequence[tuple[Job, DenoiseOptions]], choice: ModelChoice, workers: int | None, begun: Callable[[Job], bool]
) -> Generator[Outcome, None, None]:
    """:func:`audioae.runtime.corpus.clean` on the cluster that ``RAY_ADDRESS`` names, or on one of this machine alone.

    Args:
        jobs: recordings with their options; the folders of the results must exist.
        choice: the model.
        workers: number of workers; by default one per GPU of the cluster, or per core without GPUs.
        begun: called before each recording; the recording is skipped if it returns false.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: no cluster at that address, or no free GPU or core.
        ModelFileError: a worker's machine does not have the model.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError("clusters are driven by Ray: pip install 'audioae[ray]'") from None
    if not jobs:
        return
    own = not ray.is_initialized()
    if own:
        _connect(workers)
    pool = _WorkerPool(_with_absolute_path(choice), workers, len(jobs))
    try:
        yield from pool.clean(jobs, begun)
    finally:
        pool.close()
        if own:
            ray.shutdown()


def _connect(workers: int | None) -> None:
    """Connect to the cluster at ``RAY_ADDRESS``, or start one on this machine."""
    address = os.environ.get("RAY_ADDRESS", "")
    if not address:
        start(workers)
        return
    advice = "start one there (`ray start --head`), or unset RAY_ADDRESS to use this machine alone"
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    try:
        if host and port.isdigit():  # Ray itself would retry for minutes
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT).close()
        _init(address)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise InputError(f"no Ray cluster answers at RAY_ADDRESS={address} ({_line(error)}): {advice}") from None


def start(workers: int | None) -> None:
    """Start a cluster of this machine alone. Ray gives its processes 30 s, which is too little on a busy machine."""
    import ray

    for number in range(1, ATTEMPTS + 1):
        try:
            _init("local", workers)  # without an address Ray joins a running cluster, and takes no num_cpus
            return
        except Exception as error:  # Ray raises errors of any class
            ray.shutdown()
            if number == ATTEMPTS:
                advice = "clean without --engine ray, or when the machine is less busy"
                raise InputError(f"Ray cannot be started on this machine ({_line(error)}): {advice}") from error


def _init(address: str, workers: int | None = None) -> None:
    import ray

    ray.init(address, num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)


@dataclass
class _Slot:
    """A slot for a worker, which is running or waiting for free resources."""

    worker: Any
    ready: bool = False
    busy: int = 0
    failed: int = 0
    """Number of consecutive workers that ended before they were ready."""


@dataclass(frozen=True)
class _Task:
    job: Job
    options: DenoiseOptions
    attempt: int
    slot: _Slot
    worker: Any
    number: int
    """Number of the submission. A worker cleans in this order."""


class _WorkerPool:
    """The workers of one call. Recordings are submitted to ready workers only. The slot of a lost worker stays empty until
    the cluster has free resources; the other workers continue."""

    def __init__(self, choice: ModelChoice, workers: int | None, jobs: int) -> None:
        import ray

        self.ray, self.choice = ray, choice
        gpus, cores = (int(ray.cluster_resources().get(kind, 0)) for kind in ("GPU", "CPU"))
        self.remote = ray.remote(num_cpus=0 if gpus else 1, num_gpus=1 if gpus else 0, max_restarts=0)(Worker)
        most = gpus or cores or 1  # more workers would never start
        self.starting: dict[Any, _Slot] = {}
        self.running: dict[Any, _Task] = {}
        self.slots = [_Slot(None) for _ in range(min(workers or most, most, jobs))]
        for slot in self.slots:
            self._start(slot)

    def clean(
        self, jobs: Sequence[tuple[Job, DenoiseOptions]], begun: Callable[[Job], bool]
    ) -> Generator[Outcome, None, None]:
        waiting = deque((job, options, 1) for job, options in jobs)
        numbers = itertools.count()
        while waiting or self.running:
            while waiting and (slot := self._least_busy()):
                job, options, attempt = waiting.popleft()
                if not begun(job):
                    continue
                slot.busy += 1
                task = _Task(job, options, attempt, slot, slot.worker, next(numbers))
                self.running[slot.worker.clean.remote(_absolute(job), options)] = task
            if not (waiting or self.running):  # another run has finished the rest
                break
            timeout = None if self.running else START_TIMEOUT
            done, _ = self.ray.wait([*self.running, *self.starting], num_returns=1, timeout=timeout)
            if not done:
                raise InputError(
                    f"the cluster has had no room for a worker for {START_TIMEOUT:.0f} s: "
                    "free a GPU or core, or add a machine, and go on with --resume"
                )
            if done[0] in self.starting:
                self._started(done[0])
                continue
            task = self.running.pop(done[0])
            outcome = self._outcome(task, done[0])
            if isinstance(outcome, int):
                # The result may exist, although its report was lost.
                waiting.appendleft((task.job, replace(task.options, again=True), outcome))
            else:
                yield task.job, outcome

    def close(self) -> None:
        for slot in self.slots:
            self.ray.kill(slot.worker)
        # Temporary files of a worker are locked until its process ends, which Ray does not report.
        end = time.monotonic() + END_TIMEOUT
        left = [task.job for task in self.running.values()]
        while (left := [job for job in left if not job.sweep()]) and time.monotonic() < end:
            time.sleep(0.05)

    def _least_busy(self) -> _Slot | None:
        """The ready worker with the fewest submitted recordings; None if all have enough."""
        slot = min((each for each in self.slots if each.ready), key=lambda each: each.busy, default=None)
        return slot if slot and slot.busy < QUEUED_PER_WORKER else None

    def _start(self, slot: _Slot) -> None:
        slot.worker, slot.ready, slot.busy = self.remote.remote(self.choice), False, 0
        self.starting[slot.worker.problem.remote()] = slot

    def _started(self, answer: Any) -> None:
        slot = self.starting.pop(answer)
        try:
            problem = self.ray.get(answer)
        except self.ray.exceptions.RayError as error:
            slot.failed += 1
            if slot.failed < ATTEMPTS:
                self._start(slot)
            elif len(self.slots) > 1:  # the other workers continue
                self.slots.remove(slot)
            else:
                raise InputError(f"a worker ended {ATTEMPTS} times before it could begin ({_line(error)})") from None
            return
        if problem:
            raise problem
        slot.ready, slot.failed = True, 0

    def _outcome(self, task: _Task, done: Any) -> Report | AudioaeError | int:
        """The outcome of a recording, or the number of its next attempt if the worker was lost."""
        slot = task.slot
        try:
            outcome = self.ray.get(done)
        except self.ray.exceptions.RayTaskError as error:  # an error of serialisation; the worker is still running
            task.slot.busy -= 1
            return fault(error.cause or error, str(task.job.source))
        except self.ray.exceptions.RayError as error:
            # The loss counts for the recording that was being cleaned. Errors of those queued behind it may come first.
            first = min((each.number for each in self.running.values() if each.worker is task.worker), default=task.number)
            if slot.worker is not task.worker or first < task.number:
                return task.attempt
            task.job.sweep()
            self._start(slot)
            if task.attempt < ATTEMPTS:
                return task.attempt + 1
            return InputError(f"{task.job.source}: its worker was lost {ATTEMPTS} times ({_line(error)})")
        if slot.worker is task.worker:
            slot.busy -= 1
        if isinstance(outcome, AudioaeError):
            return outcome
        return replace(outcome, input=str(task.job.source), output=str(task.job.target))


class Worker:
    """The actor on a GPU or core, which keeps the model loaded.

    Args:
        choice: the model.
    """

    def __init__(self, choice: ModelChoice) -> None:
        self.choice = choice

    def problem(self) -> AudioaeError | None:
        """Load the model; returns the error if that fails, for example if the machine does not have the model."""
        try:
            os.environ["OMP_NUM_THREADS"] = "1"  # torch reads it if it is loaded later
            use(1)
            self.denoiser = self.choice.load()
        except AudioaeError as error:
            return error
        except Exception as error:
            return fault(error, self.choice.model)
        return None

    def clean(self, job: Job, options: DenoiseOptions) -> Any:
        """The report on a recording or its error, which is returned because Ray would wrap a raised error."""
        return attempt(lambda: clean_job(self.denoiser, job, options), job)


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _with_absolute_path(choice: ModelChoice) -> ModelChoice:
    path = Path(choice.model)
    return replace(choice, model=str(path.absolute())) if path.is_file() else choice


def _absolute(job: Job) -> Job:
    paths = (path and path.absolute() for path in (job.source, job.target, job.removed, job.picture, job.speech))
    source, target, *others = paths
    assert source is not None and target is not None, "every job has both"
    return Job(source, target, *others)
