"""Word error rate of speech recognition. Only this module imports the recognisers and jiwer.

Both recognisers come with a model of English in the package. The extra ``asr`` installs jiwer and pocketsphinx, the extra
``moonshine`` installs Moonshine tiny (Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice
Commands", 2024), which makes a tenth of its errors.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audioae.errors import MissingExtraError
from audioae.signal.resample import resample

RATE = 16_000
_HINT = "is not installed: pip install 'audioae[asr]'"
_NO_MOONSHINE = (
    "the recogniser moonshine needs the package moonshine-voice, which is not installed: pip install 'audioae[moonshine]'"
)


def error_rate(wave: NDArray[np.float32], rate: int, text: str | None, recogniser: str = "pocketsphinx") -> float:
    """Word error rate of ``(N, C)``: wrong, missing and added words, divided by the number of words in ``text``.

    NaN without a text. Case and punctuation are ignored. ``recogniser`` is one of :data:`RECOGNISERS`.

    Raises:
        MissingExtraError: the recogniser or jiwer is not installed.
    """
    if not count(text):
        return float("nan")
    try:
        from jiwer import wer
    except ImportError:
        raise MissingExtraError(f"the word error rate needs the package jiwer, which {_HINT}") from None
    return float(wer(plain(text or ""), plain(recognise(wave, rate, recogniser))))


def recognise(wave: NDArray[np.float32], rate: int, recogniser: str = "pocketsphinx") -> str:
    """Recognise the words in ``(N, C)``, with channels mixed, independent of earlier calls.

    Raises:
        MissingExtraError: the recogniser is not installed.
    """
    return RECOGNISERS[recogniser].hear(resample(wave.mean(1), rate, RATE))


def _by_pocketsphinx(mono: NDArray[np.float32]) -> str:
    samples = np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2")
    decoder = pocketsphinx_decoder()
    # Otherwise its noise tracker would continue from the last recording.
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis is not None else ""


def _by_moonshine(mono: NDArray[np.float32]) -> str:
    lines = moonshine_transcriber().transcribe_without_streaming(mono.tolist(), RATE).lines
    return " ".join(line.text for line in lines)


class Recogniser(NamedTuple):
    """A speech recogniser.

    Attributes:
        measure: name of its word error rate.
        packages: what computes it.
        hear: function from a wave ``(N,)`` at 16 kHz to text.
    """

    measure: str
    packages: tuple[str, str]
    hear: Callable[[NDArray[np.float32]], str]


RECOGNISERS = {
    "pocketsphinx": Recogniser("wer", ("pocketsphinx", "jiwer"), _by_pocketsphinx),
    "moonshine": Recogniser("wer_moonshine", ("moonshine-voice", "jiwer"), _by_moonshine),
}
PACKAGES = {each.measure: each.packages for each in RECOGNISERS.values()}
"""Word error rates by name, with what computes them."""


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
def pocketsphinx_decoder() -> Any:
    """The decoder of pocketsphinx, loaded once.

    Raises:
        MissingExtraError: pocketsphinx is not installed.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError:
        raise MissingExtraError(f"the word error rate needs the package pocketsphinx, which {_HINT}") from None
    return Decoder(samprate=RATE, cmn="batch", loglevel="FATAL")


@cache
def moonshine_transcriber() -> Any:
    """Moonshine tiny, loaded once.

    Raises:
        MissingExtraError: moonshine-voice is not installed, or a release without a model.
    """
    try:
        import moonshine_voice
    except ImportError:
        raise MissingExtraError(_NO_MOONSHINE) from None
    model = Path(moonshine_voice.__file__).parent / "assets" / "tiny-en"
    if not (model / "decoder_model_merged.ort").is_file():  # later releases download models instead
        raise MissingExtraError("this release of moonshine-voice has no model: pip install 'audioae[moonshine]'")
    return moonshine_voice.Transcriber(model, moonshine_voice.ModelArch.TINY)
