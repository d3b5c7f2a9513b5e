"""Entrants of a comparison: models, folders of results, other programs."""

import json
import multiprocessing
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from audioae.audio.files import Reader, probe, read
from audioae.audio.folders import recordings
from audioae.audio.formats import format_for
from audioae.audio.writer import Writer
from audioae.data.pairs import Recording
from audioae.errors import AudioaeError, DataError, InputError
from audioae.evaluate import launch, worker
from audioae.modelfile import load

Wave = NDArray[np.float32]
IN, OUT = "{in}", "{out}"
HOP_SECONDS = 0.016
"""Tolerated difference between the lengths of a recording and its result; programs work in whole frames."""


class Entrant:
    """One row of the comparison, used in a ``with`` block.

    Attributes:
        name: name in the tables.
        work: computing time in seconds, if known.
        sound: seconds of audio that were processed in this time.
        peak_bytes: peak memory of the process, including libraries; 0 if unknown.
        takes_recordings: whether it processes recordings, unlike a folder of results.
    """

    takes_recordings = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.work = self.sound = 0.0
        self.peak_bytes = 0

    @property
    def real_time_factor(self) -> float:
        """Computing time per second of audio; NaN if unknown."""
        return self.work / self.sound if self.sound else float("nan")

    def enhance(self, pair: Recording) -> Wave:
        """The processed recording ``(N, C)``.

        Raises:
            InputError: no result, or a result that does not match the recording.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End processes that were started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Function(Entrant):
    """A function in its own process, in which time and memory are measured.

    Loading does not count as work. The process is spawned, so that ``make`` must be importable, and programs need
    ``if __name__ == "__main__":``.

    Args:
        name: name in the tables.
        make: returns the function ``(wave (N, C), rate) -> wave (N, C)``; called in the new process.
    """

    def __init__(self, name: str, make: Callable[[], worker.Enhance]) -> None:
        super().__init__(name)
        self._make = make
        self._pool: ProcessPoolExecutor | None = None

    def enhance(self, pair: Recording) -> Wave:
        """See :meth:`Entrant.enhance`."""
        try:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
                self._pool.submit(worker.prepare, self._make).result()
                self._pool.submit(worker.warm_up, pair.noisy).result()
            result, seconds = self._pool.submit(worker.run, pair.noisy).result()
            self.peak_bytes = self._pool.submit(worker.peak_bytes).result()
        except BrokenProcessPool:
            raise InputError(f"{pair.noisy}: {self.name} crashed, or was ended for using too much memory") from None
        except AudioaeError:
            raise
        except Exception as error:  # of this program only: the others are still measured
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InputError(f"{pair.noisy}: {self.name} failed ({reason})") from error
        self.work += seconds
        self.sound += pair.seconds
        return _fitting(result, pair, f"{pair.noisy}: the result of {self.name}")

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def model(name: str, source: str, device: str = "auto", atten_limit: float | None = None) -> Function:
    """A model of the package or of a model file, run on whole recordings.

    Args:
        name: name in the tables.
        source: what :func:`audioae.load` takes.
        device: where to run.
        atten_limit: largest attenuation in dB; None for no limit.
    """
    return Function(name, partial(loaded, source, device, atten_limit))


def loaded(source: str, device: str, atten_limit: float | None) -> worker.Enhance:
    """A function that cleans by a model, with the noise attenuated by at most ``atten_limit`` dB."""
    denoiser = load(source, device)

    def enhance(wave: Wave, rate: int) -> Wave:
        with torch.inference_mode():
            return denoiser(wave, rate, atten_limit)

    return enhance


class Folder(Entrant):
    """A folder of existing results with the names of the noisy recordings and any ending.

    Raises:
        DataError: no such folder, a missing result, or two pairs with the same name.
        InputError: an unreadable result, or one with another sample rate.
    """

    takes_recordings = False

    def __init__(self, name: str, folder: Path, pairs: Sequence[Recording]) -> None:
        super().__init__(name)
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder with the results of {name}")
        there = {p.stem: p for p in recordings(folder, recursive=False).files}
        missing = [pair.name for pair in pairs if pair.name not in there]
        if missing:
            raise DataError(
                f"{folder}: {len(missing)} of {len(pairs)} results of {name} are missing, the first is {missing[0]}"
            )
        if len({pair.name for pair in pairs}) < len(pairs):
            raise DataError(f"{folder}: two pairs have the same name, so that results of {name} cannot be told apart")
        for pair in pairs:
            _fits_rate(probe(there[pair.name]).rate, pair, str(there[pair.name]))
        self._files = there

    def enhance(self, pair: Recording) -> Wave:
        """See :meth:`Entrant.enhance`."""
        return _read_result(self._files[pair.name], pair, str(self._files[pair.name]))


class Command(Entrant):
    """Another program, started for each recording with WAV files in a temporary folder.

    Its wall time counts as work, including the start. It is run without a shell, so that pipes and variables do not work.

    Args:
        name: name in the tables.
        template: command line with ``{in}`` and ``{out}`` for the two files.

    Raises:
        InputError: a command line without these, or a program that does not exist.
    """

    def __init__(self, name: str, template: str) -> None:
        super().__init__(name)
        try:
            self._words = shlex.split(template)
        except ValueError as error:
            raise InputError(f"command {name}: {template!r} is not a command line ({error})") from None
        for place in (IN, OUT):
            if not any(place in word for word in self._words):
                raise InputError(f"command {name}: {template!r} does not say where {place} goes: give 'prog {IN} {OUT}'")
        if shutil.which(self._words[0]) is None:
            raise InputError(f"command {name}: there is no program {self._words[0]!r} that could be run")

    def enhance(self, pair: Recording) -> Wave:
        """See :meth:`Entrant.enhance`."""
        with tempfile.TemporaryDirectory(prefix="audioae-") as folder:
            source, target, report = (Path(folder) / name for name in (f"{pair.name}.wav", "out.wav", "report.json"))
            _copy(pair.noisy, source)
            places = {IN: str(source), OUT: str(target)}
            # Both in one pass, because the name of a recording may contain {out}.
            words = [re.sub(f"{IN}|{OUT}", lambda found: places[found[0]], word) for word in self._words]
            start = [sys.executable, "-I", "-S", str(launch.__file__), str(report), *words]
            run = subprocess.run(start, capture_output=True, text=True, errors="replace", check=False)
            if not report.is_file():
                raise InputError(f"{pair.noisy}: {self.name} was ended before it was done")
            cost = json.loads(report.read_text())
            if cost["code"] != 0:
                raise InputError(f"{pair.noisy}: {self.name} failed: {_why(cost['code'], words[0], run.stderr)}")
            if not target.is_file():
                raise InputError(f"{pair.noisy}: {self.name} succeeded but wrote no {OUT}")
            result = _read_result(target, pair, f"{pair.noisy}: the result of {self.name}")
        self.work += cost["seconds"]
        self.sound += pair.seconds
        self.peak_bytes = max(self.peak_bytes, cost["peak_bytes"])
        return result


def _why(code: int | str, program: str, errors: str) -> str:
    if isinstance(code, str):
        return f"{program}: {code}"
    last = (errors.strip().splitlines() or [""])[-1]
    return f"exit status {code}" + (f", {last}" if last else "")


def _copy(source: Path, target: Path) -> None:
    with Reader(source) as reader, Writer(target, format_for(target, reader.info)) as writer:
        for block in reader.blocks(2**16):
            writer.write(block)


def _read_result(path: Path, pair: Recording, what: str) -> Wave:
    try:
        result, rate = read(path)
    except AudioaeError as error:
        raise InputError(f"{what} cannot be read: {error}") from None
    _fits_rate(rate, pair, what)
    return _fitting(result, pair, what)


def _fits_rate(rate: int, pair: Recording, what: str) -> None:
    if rate != pair.rate:
        raise InputError(f"{what} has {rate} Hz, the recording {pair.rate} Hz: resample it first")


def _fitting(result: Wave, pair: Recording, what: str) -> Wave:
    """The result, trimmed or padded with zeros if its length differs by up to a hop."""
    channels = probe(pair.noisy).channels
    if result.ndim != 2 or result.shape[1] != channels:
        raise InputError(f"{what} has {result.shape[-1] if result.ndim == 2 else 1} channels, the recording {channels}")
    if abs(len(result) - pair.frames) > round(HOP_SECONDS * pair.rate):
        raise InputError(f"{what} has {len(result)} frames, the recording {pair.frames}: they have to fit")
    if not np.isfinite(result).all():
        raise InputError(f"{what} holds samples that are NaN or infinite")
    return np.pad(result[: pair.frames], ((0, max(0, pair.frames - len(result))), (0, 0)))
