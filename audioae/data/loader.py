"""Mixes batches ahead of the training in worker processes."""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch.utils.data import DataLoader, Dataset

from audioae.data.mixer import Batch, Mixer
from audioae.errors import AudioaeError, DataError

AHEAD = 4
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Signals after which a training saves its state and ends."""


class _Batches(Dataset[Batch | AudioaeError]):
    def __init__(self, mixer: Mixer, rows: Sequence[int]) -> None:
        self.mixer, self.rows = mixer, rows

    def __getitem__(self, index: int) -> Batch | AudioaeError:
        # Returned, because an error raised in a worker arrives with the worker's traceback in its message.
        try:
            return self.mixer.batch(index, self.rows)
        except AudioaeError as error:
            return error


def batches(mixer: Mixer, rows: Sequence[int], first: int, last: int, workers: int) -> Iterator[Batch]:
    """The rows of the steps ``first`` to ``last - 1``, in order, mixed by ``workers`` processes, or by this one if 0.

    A batch is used for ``data.remix`` steps, numbered by its ``turn``.

    Raises:
        DataError: too many files turned out to be damaged.
    """
    uses = mixer.config.remix
    mixed = range(first // uses, -(-last // uses))
    loader = DataLoader(
        _Batches(mixer, rows),
        batch_size=None,
        sampler=mixed,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        worker_init_fn=_prepare_worker if workers else None,
    )
    for index, batch in zip(mixed, loader, strict=True):
        if isinstance(batch, AudioaeError):
            raise batch
        for turn in range(max(0, first - index * uses), min(uses, last - index * uses)):
            yield replace(batch, turn=turn)


def lost_worker(error: Exception) -> DataError | None:
    """The error to raise in place of torch's report of a dead worker process, which arrives at any time; None for others."""
    if not isinstance(error, RuntimeError) or not str(error).startswith("DataLoader worker"):
        return None
    return DataError(
        "a process that mixes training data was killed, perhaps for lack of memory; `--resume` goes on, with a smaller "
        "data.memory_mb or train.workers=0 if it happens again"
    )


def _prepare_worker(worker: int) -> None:
    # Terminals and service managers signal every process of a group. The training handles that, and needs batches until it
    # stops. A second termination signal ends the worker: torch and multiprocessing send them to workers that do not return.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.signal(number, signal.SIG_DFL) and None)
    torch.set_num_threads(1)
