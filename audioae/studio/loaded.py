"""Cache of loaded denoisers."""

import threading
from functools import lru_cache
from typing import Any

from audioae.nn.streaming import Streaming
from audioae.runtime.jobs import ModelChoice

_loading = threading.Lock()


@lru_cache(maxsize=6)
def _loaded(model: str) -> Streaming[Any]:
    return ModelChoice(model, "cpu", "torch").load()


def denoiser(model: str) -> Streaming[Any]:
    """A denoiser by its name or path. Streams share it, since each has its own state.

    Raises:
        ModelFileError: no such model.
    """
    with _loading:
        return _loaded(model)
