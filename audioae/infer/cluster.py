"""Cleaning many recordings on many machines, by Ray: one worker for each GPU or core of a cluster.

Recordings and results lie where every machine finds them by the same path.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audioae.errors import AudioaeError, InputError, MissingExtraError
from audioae.infer.corpus import Outcome
from audioae.infer.files import denoise_file
from audioae.infer.jobs import Job, ModelChoice, Wishes

ATTEMPTS = 2
"""How often a recording whose worker is lost is tried."""
AHEAD = 2
"""Recordings that are handed out for each worker, so that none waits."""


def clean(
    jobs: Sequence[tuple[Job, Wishes]], choice: ModelChoice, workers: int | None, begun: Callable[[Job], None]
) -> Generator[Outcome, None, None]:
    """:func:`audioae.infer.corpus.clean` on the cluster that ``RAY_ADDRESS`` names, or on one of this machine alone.

    Args:
        jobs: recordings, and how each is to be cleaned; the folders of their results have to be there.
        choice: what cleans them.
        workers: how many; None for one on each GPU of the cluster, or each core where it has none.
        begun: called before a recording is begun.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError("clusters are driven by Ray: pip install 'audioae[ray]'") from None
    if not jobs:
        return
    own = not ray.is_initialized()
    if own:
        ray.init(num_cpus=_alone(workers), include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    waiting = deque((job, wishes, 1) for job, wishes in jobs)
    running: dict[Any, tuple[Job, Wishes, int, int, Any]] = {}
    crew: list[Any] = []
    try:
        gpus, cores = (int(ray.cluster_resources().get(kind, 0)) for kind in ("GPU", "CPU"))
        most = gpus or cores or 1  # more would wait for a place for ever
        count = min(workers or most, most, len(jobs))
        remote = ray.remote(num_cpus=0 if gpus else 1, num_gpus=1 if gpus else 0, max_restarts=0)(Worker)
        crew = [remote.remote(_everywhere(choice)) for _ in range(count)]
        busy = [0] * count
        while waiting or running:
            while waiting and min(busy) < AHEAD:
                job, wishes, attempt = waiting.popleft()
                begun(job)
                place = busy.index(min(busy))
                busy[place] += 1
                worker = crew[place]
                running[worker.clean.remote(_absolute(job), wishes)] = (job, wishes, attempt, place, worker)
            (done,), _ = ray.wait(list(running), num_returns=1)
            job, wishes, attempt, place, worker = running.pop(done)
            busy[place] -= 1
            try:
                outcome = ray.get(done)
            except ray.exceptions.RayError as error:
                if crew[place] is worker:  # what else it had in hand fails too, and is given to the new one
                    crew[place] = remote.remote(_everywhere(choice))
                if attempt < ATTEMPTS:
                    waiting.appendleft((job, wishes, attempt + 1))
                    continue
                outcome = InputError(f"{job.source}: its worker was lost {ATTEMPTS} times ({str(error).splitlines()[0]})")
            if not isinstance(outcome, AudioaeError):
                outcome = replace(outcome, input=str(job.source), output=str(job.target))
            yield job, outcome
    finally:
        for each in crew:
            ray.kill(each)
        if own:
            ray.shutdown()


class Worker:
    """What runs on each GPU or core: a model that stays loaded.

    Args:
        choice: which one.
    """

    def __init__(self, choice: ModelChoice) -> None:
        import torch

        torch.set_num_threads(1)
        self.denoiser = choice.load()

    def clean(self, job: Job, wishes: Wishes) -> Any:
        """The report on a recording, or what is wrong with it: errors are values here, that Ray does not dress them up."""
        try:
            return denoise_file(self.denoiser, job.source, job.target, wishes, job.removed, job.picture)
        except AudioaeError as error:
            return error


def _alone(workers: int | None) -> int | None:
    """Cores of a cluster that is made for this call; None where one is there already."""
    return None if os.environ.get("RAY_ADDRESS") else workers


def _everywhere(choice: ModelChoice) -> ModelChoice:
    path = Path(choice.model)
    return replace(choice, model=str(path.absolute())) if path.is_file() else choice


def _absolute(job: Job) -> Job:
    places = (path and path.absolute() for path in (job.source, job.target, job.removed, job.picture))
    source, target, removed, picture = places
    assert source is not None and target is not None, "every job has both"
    return Job(source, target, removed, picture)
