"""Batches mixed ahead of the training, in other processes."""

import signal
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from audioae.data.mixer import Batch, Mixer
from audioae.errors import AudioaeError

AHEAD = 4


class _Batches(Dataset[Batch | AudioaeError]):
    def __init__(self, mixer: Mixer, rows: Sequence[int]) -> None:
        self.mixer, self.rows = mixer, rows

    def __getitem__(self, index: int) -> Batch | AudioaeError:
        # Returned rather than raised: an error from a worker arrives wrapped in that worker's traceback.
        try:
            return self.mixer.batch(index, self.rows)
        except AudioaeError as error:
            return error


def batches(mixer: Mixer, rows: Sequence[int], first: int, last: int, workers: int) -> Iterator[Batch]:
    """The rows of the batches ``first`` to ``last - 1``, in order, mixed by ``workers`` processes, or by this one if 0.

    Raises:
        DataError: too many files turned out to be damaged.
    """
    loader = DataLoader(
        _Batches(mixer, rows),
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        worker_init_fn=_prepare_worker if workers else None,
    )
    for batch in loader:
        if isinstance(batch, AudioaeError):
            raise batch
        yield batch


def _prepare_worker(worker: int) -> None:
    # Ctrl-C is the training's to handle; it still wants batches until it has stopped.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
