"""The network of DNSMOS P.835 in onnxruntime, from the package speechmos, and the scores of a wave."""

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audioae.errors import MissingExtraError

Wave = NDArray[np.float32]
RATE = 16_000
SECONDS = 9.01
WINDOW = int(SECONDS * RATE)
_MAPS = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
"""Polynomials from the network's three outputs to opinion scores, from ``speechmos.dnsmos``."""


@lru_cache(maxsize=8)  # one run of the network for all three scores
def scores(data: bytes) -> tuple[float, float, float]:
    """SIG, BAK and OVRL of the bytes of a wave ``(N,)`` at 16 kHz, float32; NaN without samples."""
    wave = np.frombuffer(data, np.float32)
    if not len(wave):
        return (float("nan"),) * 3
    raw = np.mean([[np.polyval(p, x) for p, x in zip(_MAPS, outputs(w), strict=True)] for w in _windows(wave)], axis=0)
    sig, bak, ovrl = map(float, raw)
    return sig, bak, ovrl


def _windows(wave: Wave) -> list[Wave]:
    while len(wave) < WINDOW:
        wave = np.concatenate([wave, wave])
    # The sums are in floating point as in speechmos, which leaves out each window that they make a sample too short (the 8th
    # to 24th, and some beyond two minutes), and counts whole seconds only: figures can be compared with published ones.
    count = int(len(wave) // RATE - SECONDS) + 1
    windows = [wave[second * RATE : int((second + SECONDS) * RATE)] for second in range(count)]
    return [window for window in windows if len(window) >= WINDOW]


def outputs(window: Wave) -> Any:
    """The network's three outputs for a window of :data:`WINDOW` samples at 16 kHz."""
    return session().run(None, {"input_1": window[None]})[0][0]


@cache
def session() -> Any:
    """The network in onnxruntime, loaded once.

    Raises:
        MissingExtraError: speechmos or onnxruntime is not installed.
    """
    try:
        import onnxruntime

        model = files("speechmos") / "dnsmos_models" / "sig_bak_ovr.onnx"
    except ImportError:
        hint = "are not installed: pip install 'audioae[metrics]'"
        raise MissingExtraError(f"the measures dnsmos_* need the packages speechmos and onnxruntime, which {hint}") from None
    options = onnxruntime.SessionOptions()
    # Spinning threads would slow down other work.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
