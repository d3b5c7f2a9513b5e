"""Splits recordings into a training and a test part, and mixes test pairs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audioae.audio.files import Reader
from audioae.audio.formats import AudioInfo
from audioae.audio.writer import Writer
from audioae.data.pairs import CLEAN, NOISY
from audioae.errors import DataError
from audioae.signal.levels import active_rms, from_db, rms
from audioae.signal.resample import resample

Wave = NDArray[np.float32]
REHEARSAL = Path(__file__).parent / "rehearsal"
"""Speech and noise of the package, which adapting rehearses so that models do not forget."""
TRAIN_SHARE = 0.75
"""Share of a recording, from its start, that is used for training."""
LEAST_SECONDS = 8.0
SPEECH_RMS = 0.05
SILENT_RMS = 1e-5


@dataclass(frozen=True)
class Split:
    """Disjoint files for training and testing."""

    train: list[Path]
    test: list[Path]


def every(files: Sequence[Path], nth: int) -> Split:
    """Use every ``nth`` file for testing.

    >>> every([Path("a"), Path("b"), Path("c")], 3).test
    [PosixPath('c')]
    """
    test = list(files[nth - 1 :: nth])
    return Split([file for file in files if file not in test], test)


def in_time(files: Sequence[Path], folder: Path) -> Split:
    """Split each recording in time, into mono files in ``folder``.

    Raises:
        DataError: less than 8 s in all, or nothing but silence.
        InputError: a file that cannot be read.
        OutputError: ``folder`` cannot be written.
    """
    parts = Split([], [])
    seconds, loudest = 0.0, 0.0
    for number, file in enumerate(files):
        with Reader(file) as reader:
            wave, rate = reader.read(reader.info.frames).mean(1), reader.info.rate
        if not np.isfinite(wave).all():
            raise DataError(f"{file}: holds NaN or infinite samples")
        seconds, loudest = seconds + len(wave) / rate, max(loudest, rms(wave))
        edge = int(TRAIN_SHARE * len(wave))
        for part, place, name in ((wave[:edge], parts.train, "train"), (wave[edge:], parts.test, "test")):
            place.append(folder / f"{number:03}-{name}.wav")
            write_wave(place[-1], part, rate)
    if seconds < LEAST_SECONDS:
        raise DataError(
            f"{files[0]}: {seconds:.1f} s of noise in all: record at least {LEAST_SECONDS:.0f} s, better a minute"
        )
    if loudest < SILENT_RMS:
        raise DataError(f"{files[0]}: nothing but silence: record the noise at the level that it has beside speech")
    return parts


def mix_pairs(
    speech: Sequence[Path], noise: Sequence[Path], snrs: Iterable[float], folder: Path, seed: int, longest: float = 6.0
) -> None:
    """Mix each speech file with a random part of a noise, at the SNRs in turn, to ``folder/noisy`` and ``folder/clean``.

    Raises:
        InputError: a file that cannot be read.
        OutputError: ``folder`` cannot be written.
    """
    rng = np.random.default_rng(seed)
    levels = list(snrs)
    for side in (NOISY, CLEAN):
        (folder / side).mkdir(parents=True, exist_ok=True)
    for number, (file, wave, rate) in enumerate(_waves(speech, longest)):
        clean = wave * np.float32(SPEECH_RMS / max(active_rms(wave, rate), 1e-6))
        with Reader(noise[number % len(noise)]) as reader:
            hum = resample(reader.read(reader.info.frames).mean(1), reader.info.rate, rate)
        start = int(rng.integers(max(1, len(hum) - len(clean))))
        hum = np.resize(hum[start:], len(clean))  # short noises are repeated
        gain = SPEECH_RMS * from_db(-levels[number % len(levels)]) / max(rms(hum), SILENT_RMS)
        name = f"{number:03}-{file.stem}.wav"
        write_wave(folder / NOISY / name, clean + hum * np.float32(gain), rate)
        write_wave(folder / CLEAN / name, clean, rate)


def write_wave(path: Path, wave: Wave, rate: int) -> None:
    """Write ``(N,)`` as a WAV file of floats.

    Raises:
        OutputError: the folder cannot be written.
    """
    with Writer(path, AudioInfo(rate, 1, len(wave), "WAV", "FLOAT")) as writer:
        writer.write(wave[:, None].astype(np.float32))


def _waves(files: Sequence[Path], longest: float) -> Iterator[tuple[Path, Wave, int]]:
    for file in files:
        with Reader(file) as reader:
            yield file, reader.read(int(longest * reader.info.rate)).mean(1), reader.info.rate
