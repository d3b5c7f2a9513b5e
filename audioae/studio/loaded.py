"""In a worker: denoisers, kept for the next job."""

import threading
from functools import lru_cache

from audioae.nn.trained import StreamingModel
from audioae.runtime.jobs import ModelChoice

_loading = threading.Lock()


@lru_cache(maxsize=6)
def _loaded(model: str) -> StreamingModel:
    return ModelChoice(model, "cpu", "torch").load()


def denoiser(model: str) -> StreamingModel:
    """A denoiser by its name or path; state belongs to each stream, so that all may share it.

    Raises:
        ModelFileError: no such model.
    """
    with _loading:
        return _loaded(model)
