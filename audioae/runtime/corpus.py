"""Cleans recordings in parallel processes. If one process is killed, the others continue."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from audioae.errors import AudioaeError, InputError
from audioae.nn.streaming import Streaming
from audioae.runtime.attempt import attempt, fault
from audioae.runtime.files import Report, clean_job
from audioae.runtime.jobs import DenoiseOptions, Job, ModelChoice
from audioae.runtime.signals import unwind_on_signals
from audioae.system.printable import warning_line
from audioae.system.threads import count, use

AHEAD = 2
"""Recordings per process that are submitted in advance."""
GRACE = 3.0
"""Seconds in which a process must end after its parent has died."""
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows ends a process by either
Outcome = tuple[Job, Report | AudioaeError]


def clean(
    jobs: Sequence[tuple[Job, DenoiseOptions]], choice: ModelChoice, processes: int | None, begun: Callable[[Job], bool]
) -> Generator[Outcome, None, None]:
    """Clean recordings in several processes and yield their outcomes as they are done, in any order.

    A recording whose process is killed is tried once more, alone. Closing the iterator stops the work and removes
    temporary files.

    Args:
        jobs: recordings with their options; the folders of the results must exist.
        choice: the model.
        processes: number of processes; by default one per core.
        begun: called before each recording; the recording is skipped if it returns false.
    """
    waiting = deque(jobs)
    running: dict[Future[Report | AudioaeError], tuple[Job, DenoiseOptions]] = {}
    lost: set[Job] = set()
    processes = processes or count()
    pool = _pool(choice, processes)
    try:
        while waiting or running:
            crashed = False
            while waiting and len(running) < (1 if lost else AHEAD * processes) and not crashed:
                job, options = waiting.popleft()
                if not begun(job):
                    continue
                try:
                    running[pool.submit(_clean, job, options)] = (job, options)
                except BrokenProcessPool:
                    waiting.appendleft((job, options))
                    crashed = True
            again = []
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, options = running.pop(future)
                outcome = _outcome(future, job)
                if outcome is None:
                    crashed = True
                    if job not in lost:
                        again.append((job, options))
                        continue
                    outcome = InputError(f"{job.source}: its process was killed twice: is there enough memory for --jobs?")
                lost.discard(job)
                yield job, outcome
            if crashed:
                pool.shutdown(cancel_futures=True)
                again += running.values()
                running.clear()
                for job, options in reversed(again):
                    job.sweep()
                    lost.add(job)
                    waiting.appendleft(
                        (job, replace(options, again=True))
                    )  # the result may exist, although its report was lost
                pool = _pool(choice, processes)
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        pool.shutdown(cancel_futures=True)
        for job, _ in running.values():
            job.sweep()  # left by a process that was terminated when it started a file
        raise
    else:
        pool.shutdown()


def _outcome(future: "Future[Report | AudioaeError]", job: Job) -> Report | AudioaeError | None:
    """The outcome of a job; None if its process died."""
    try:
        return future.result()
    except (BrokenProcessPool, SystemExit):
        return None
    except Exception as error:  # errors of serialisation
        return fault(error, str(job.source))


def _pool(choice: ModelChoice, processes: int) -> ProcessPoolExecutor:
    threads = max(1, count() // processes)
    # Not forked, because torch's threads do not exist in forked processes.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(choice, threads))


_denoiser: Streaming[Any] | AudioaeError | None = None


def _begin(choice: ModelChoice, threads: int) -> None:
    """Initialise a worker process."""
    global _denoiser
    unwind_on_signals()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent also gets Ctrl-C, and ends its children
    warnings.formatwarning = warning_line
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(threads)  # torch reads it if it is loaded later
    use(threads)
    try:
        _denoiser = choice.load()
    except AudioaeError as error:
        _denoiser = error
    except Exception as error:  # otherwise the process would end and count as killed
        _denoiser = fault(error, choice.model)


def _clean(job: Job, options: DenoiseOptions) -> Report | AudioaeError:
    denoiser = _denoiser
    assert denoiser is not None, "every process loads the model first"
    if isinstance(denoiser, AudioaeError):
        return denoiser
    return attempt(lambda: clean_job(denoiser, job, options), job)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "this is a child"
    multiprocessing.connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os.kill(os.getpid(), KILL)
