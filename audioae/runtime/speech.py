"""Finds speech in an array, from the array and a denoiser's result."""

import os
from typing import Any

from audioae.audio.layout import Audio, finite_or_warn, to_wave, whole_rate
from audioae.errors import InputError
from audioae.nn.streaming import Streaming
from audioae.runtime.array import denoise
from audioae.signal.arrays import as_array
from audioae.signal.finder import SpeechFinder
from audioae.signal.speech import Segment


def speech_segments(
    audio: Audio,
    rate: int,
    model: str | os.PathLike[str] | Streaming[Any] = "default",
    channels: str = "linked",
    device: str = "cpu",
) -> list[Segment]:
    """Segments of speech in a recording; speech in any channel counts.

    Thresholds and shortest durations are constants of :mod:`audioae.signal.speech`.

    Args:
        audio: one recording: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(..., samples)``; floats in [-1, 1],
            or int16.
        rate: sample rate in Hz, 8 000 to 192 000.
        model: a denoiser of the package, or the path of a model file; or a loaded model.
        channels: ``linked`` or ``independent``, how the model cleans them.
        device: where to run: ``cpu``, ``cuda``, ``mps`` or ``auto``; a loaded model runs where it is.

    Returns:
        Segments with ``start`` and ``end`` in seconds, in order, rounded to milliseconds.

    Raises:
        InputError: an unusable array, rate or setting, or a batch of recordings.
        ModelFileError: no such model or device.

    Warns:
        AudioaeWarning: NaN or infinite samples, which are taken as zero; a model that was not trained on noise.

    >>> import numpy as np
    >>> speech_segments(np.zeros(16000), 16000)
    []
    """
    wave = as_array(finite_or_warn(to_wave(audio)[0]))
    if len(wave) > 1:
        raise InputError(f"a batch of {len(wave)} recordings: give one at a time")
    noisy = wave[0].T
    clean = denoise(noisy, rate, model, channels=channels, device=device)
    finder = SpeechFinder(whole_rate(rate))
    finder.feed(noisy, clean)
    return finder.finish()
