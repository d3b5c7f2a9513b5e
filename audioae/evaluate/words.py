"""Word error rate: what cleaning does to speech recognition. The only module that knows pocketsphinx and jiwer.

Both come with the extra ``asr``; pocketsphinx carries its model of US English in the package.
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
    """Wrong, missing and added words when ``(N, C)`` is recognised, by the number of words in ``text``; 0 is best.

    Not a number without a text. Case and punctuation do not count.

    Raises:
        MissingExtraError: pocketsphinx or jiwer is not there.
    """
    if not count(text):
        return float("nan")
    try:
        from jiwer import wer
    except ImportError:
        raise MissingExtraError(f"the word error rate needs the package jiwer, which {_HINT}") from None
    return float(wer(plain(text or ""), plain(recognise(wave, rate))))


def recognise(wave: NDArray[np.float32], rate: int) -> str:
    """The words in ``(N, C)``, channels mixed, independent of what was recognised before.

    Raises:
        MissingExtraError: pocketsphinx is not there.
    """
    mono = resample(wave.mean(1), rate, RATE)
    samples = np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2")
    decoder = _decoder()
    # Its noise tracker goes on from one recording to the next otherwise.
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
