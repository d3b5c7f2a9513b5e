"""Word error rate of speech recognition. Only this module imports pocketsphinx and jiwer.

The extra ``asr`` installs both; the package pocketsphinx includes a model of US English.
"""

import re
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audioae.errors import MissingExtraError
from audioae.signal.resample import resample

WER = "wer"
PACKAGES = ("pocketsphinx", "jiwer")
RATE = 16_000
_HINT = "is not installed: pip install 'audioae[asr]'"


def error_rate(wave: NDArray[np.float32], rate: int, text: str | None) -> float:
    """Word error rate of ``(N, C)``: wrong, missing and added words, divided by the number of words in ``text``.

    NaN without a text. Case and punctuation are ignored.

    Raises:
        MissingExtraError: pocketsphinx or jiwer is not installed.
    """
    if not count(text):
        return float("nan")
    try:
        from jiwer import wer
    except ImportError:
        raise MissingExtraError(f"the word error rate needs the package jiwer, which {_HINT}") from None
    return float(wer(plain(text or ""), plain(recognise(wave, rate))))


def recognise(wave: NDArray[np.float32], rate: int) -> str:
    """Recognise the words in ``(N, C)``, with channels mixed, independent of earlier calls.

    Raises:
        MissingExtraError: pocketsphinx is not installed.
    """
    mono = resample(wave.mean(1), rate, RATE)
    samples = np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2")
    decoder = _decoder()
    # Otherwise its noise tracker would continue from the last recording.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis is not None else ""


def plain(text: str) -> str:
    """Lower-case words without punctuation.

    >>> plain("It's  well-known, Sir!")
    "it's well known sir"
    """
    return " ".join(re.sub(r"[^\w']|_", " ", text.lower()).split())


def count(text: str | None) -> int:
    """Number of words."""
    return len(plain(text or "").split())


@cache
def _decoder() -> Any:
    try:
        from pocketsphinx import Decoder
    except ImportError:
        raise MissingExtraError(f"the word error rate needs the package pocketsphinx, which {_HINT}") from None
    return Decoder(samprate=RATE, cmn="batch", loglevel="FATAL")
