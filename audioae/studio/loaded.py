"""Cache of loaded denoisers and restorers."""

import threading
from functools import lru_cache
from typing import Any

from audioae.nn.streaming import Streaming
from audioae.runtime.jobs import ModelChoice

_loading = threading.Lock()


@lru_cache(maxsize=6)
def _loaded(model: str, restores: bool) -> Streaming[Any]:
    return ModelChoice(model, "cpu", "torch", restores).load()


def denoiser(model: str) -> Streaming[Any]:
    """A denoiser by its name or path. Streams share it, since each has its own state.

    Raises:
        ModelFileError: no such model.
    """
    with _loading:
        return _loaded(model, restores=False)


def restorer(model: str) -> Streaming[Any]:
    """A restorer by its name or path.

    Raises:
        ModelFileError: no such model, or no restorer.
    """
    with _loading:
        return _loaded(model, restores=True)
