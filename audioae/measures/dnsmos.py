"""DNSMOS P.835 (Reddy et al. 2022): a network's estimate of listeners' opinions, without a reference.

The ONNX model is part of the package ``speechmos`` and runs by ``onnxruntime``; the extra ``metrics`` installs both.
Every function takes ``(estimate, clean, rate)``, numpy ``(N,)``, to a mean opinion score of 1 to 5; ``clean`` is not used.
As in that package, the score is the mean over windows of 9.01 s that start one second apart. Shorter recordings are
repeated.
"""

import numpy as np
from numpy.typing import NDArray

from audioae.measures.dnsmos_network import RATE, scores
from audioae.signal.resample import resample

Wave = NDArray[np.float32]


def dnsmos_sig(estimate: Wave, clean: Wave, rate: int) -> float:
    """Quality of the speech signal (SIG)."""
    return _scores(estimate, rate)[0]


def dnsmos_bak(estimate: Wave, clean: Wave, rate: int) -> float:
    """Quality of the background (BAK)."""
    return _scores(estimate, rate)[1]


def dnsmos_ovrl(estimate: Wave, clean: Wave, rate: int) -> float:
    """Overall quality (OVRL)."""
    return _scores(estimate, rate)[2]


def _scores(wave: Wave, rate: int) -> tuple[float, float, float]:
    # Files clip beyond full scale, and the network was trained on files.
    return scores(np.clip(resample(wave, rate, RATE), -1, 1).astype(np.float32).tobytes())
