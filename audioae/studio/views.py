"""Samples, waveforms and spectrograms of any part of a recording, in memory that does not grow with its length."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audioae.audio.files import Reader
from audioae.audio.formats import CODED
from audioae.errors import InputError

Wave = NDArray[np.float32]
FLOOR_DB, STEP_DB = -120.0, 0.5
"""A byte b of a spectrogram stands for ``FLOOR_DB + b * STEP_DB`` dBFS; a sine at full scale has 0."""
WINDOW_SECONDS = 0.032
MOST_COLUMNS, MOST_ROWS = 4000, 512
FRAMES_AT_ONCE = 2048
MOST_FRAMES = 20_000
"""Frames of one picture, some five minutes without a gap; of longer recordings each column shows an excerpt."""
MOST_SAMPLES = 2**22
OPEN_FILES = 16
COPY_SECONDS, COPY_BYTES = 4.0, 2**33


class Sound:
    """A recording that can be read at any place: an audio file, or float32 samples as they lie in memory.

    Args:
        path: the file.
        raw: ``(rate, channels)`` of a file of bare samples; None for an audio file.
    """

    def __init__(self, path: Path, raw: tuple[int, int] | None) -> None:
        self.lock = threading.Lock()
        self._reader: Reader | None = None
        if raw is None:
            self._reader = Reader(path)
            info = self._reader.info
            self.rate, self.channels, self.frames = info.rate, info.channels, info.frames
        else:
            self.rate, self.channels = raw
            self.frames = path.stat().st_size // (4 * self.channels)
            self._samples = np.memmap(path, "<f4", "r", shape=(self.frames, self.channels))

    def read(self, start: int, frames: int) -> Wave:
        """``(frames, C)`` from ``start`` on; zeros outside the recording."""
        first, last = max(0, min(start, self.frames)), max(0, min(start + frames, self.frames))
        found: Wave = np.zeros((0, self.channels), np.float32)
        if last > first:
            if self._reader is None:
                found = np.asarray(self._samples[first:last], np.float32)
            else:
                self._reader.seek(first)
                found = self._reader.read(last - first)
        before = min(frames, max(0, -start))
        return np.pad(np.nan_to_num(found), ((before, frames - before - len(found)), (0, 0)))

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.close()


class Sounds:
    """Cache of open recordings: opening some formats takes a pass through the file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Sound] = OrderedDict()

    @contextmanager
    def opened(self, place: dict[str, Any]) -> Iterator[Sound]:
        """Open a recording for exclusive use."""
        path = place["path"]
        with self._lock:
            sound = self._open.pop(path, None)
            if sound is None:
                sound = Sound(Path(path), tuple(place["raw"]) if place.get("raw") else None)
            self._open[path] = sound
            while len(self._open) > OPEN_FILES:
                _, oldest = self._open.popitem(last=False)
                with oldest.lock:
                    oldest.close()
        with sound.lock:
            yield sound

    def forget(self, folder: str) -> None:
        """Close the files of a folder that is about to be removed."""
        with self._lock:
            for path in [path for path in self._open if path.startswith(folder)]:
                sound = self._open.pop(path)
                with sound.lock:
                    sound.close()


SOUNDS = Sounds()


def probe(args: dict[str, Any], cancelled: threading.Event | None = None) -> dict[str, Any]:
    """Rate, channels, length and format of a recording, and whether seeking is exact to the sample."""
    with Reader(Path(args["path"])) as reader:
        info = reader.info
    if not info.frames:
        raise InputError(f"{args['path']}: holds no samples")
    exact = info.subtype not in CODED and info.container not in ("MP3", "OGG")
    return {
        "rate": info.rate,
        "channels": info.channels,
        "frames": info.frames,
        "seconds": info.seconds,
        "format": f"{info.container} {info.subtype}",
        "exact": exact,
    }


def copy(args: dict[str, Any], cancelled: threading.Event) -> dict[str, Any]:
    """Decode a recording to a file of float32 samples, because seeking in its codec is not exact."""
    total = 0
    with Reader(Path(args["path"])) as reader, open(args["target"], "wb") as file:
        info = reader.info
        for block in reader.blocks(max(1, int(COPY_SECONDS * info.rate))):
            total += block.size * 4
            if total > COPY_BYTES or cancelled.is_set():
                raise InputError(f"{args['path']}: is too long to be shown: clean it by `audioae denoise`")
            file.write(np.ascontiguousarray(block, "<f4").tobytes())
    return {"frames": total // 4 // info.channels}


def samples(args: dict[str, Any], cancelled: threading.Event | None = None) -> tuple[dict[str, Any], bytes]:
    """Samples as float32, channels interleaved: at most ``frames`` from ``start`` on."""
    with SOUNDS.opened(args["place"]) as sound:
        start = max(0, args["start"])
        frames = max(0, min(args["frames"], sound.frames - start, MOST_SAMPLES // sound.channels))
        return {"frames": frames, "channels": sound.channels}, sound.read(start, frames).astype("<f4").tobytes()


def view(args: dict[str, Any], cancelled: threading.Event) -> tuple[dict[str, Any], bytes]:
    """Spectrogram and waveform of a part of a recording.

    The bytes are the spectrogram ``(rows, columns)``, lowest frequency first, then the lowest and the highest sample of each
    column as float32. The header's ``shown`` is the share of the samples that the picture is made from: below 1 for
    recordings of many minutes, of which each column shows an excerpt from its middle.

    Args:
        args: ``before`` and ``after``, places of recordings; ``kind``, ``before``, ``after`` or ``removed``; ``dry``, the
            share of the input in the result; ``start`` and ``frames``; ``columns`` and ``rows``.
        cancelled: set when the request is cancelled.
    """
    before, after = args["before"], args.get("after") or args["before"]
    with SOUNDS.opened(before) as noisy:
        facts = noisy.rate, noisy.channels, noisy.frames
    rate, _, total = facts
    start = max(0, min(int(args["start"]), total - 1))
    frames = max(1, min(int(args["frames"]), total - start))
    columns = max(1, min(int(args["columns"]), MOST_COLUMNS, frames))
    kind, dry = args["kind"], float(args.get("dry", 0.0))

    def read(begin: int, count: int) -> Wave:
        if cancelled.is_set():
            raise InputError("the request was cancelled")
        with SOUNDS.opened(before) as sound:
            wave = sound.read(begin, count) if kind != "after" or dry else None
        if kind == "before":
            assert wave is not None
            return wave
        with SOUNDS.opened(after) as sound:
            clean = sound.read(begin, count)
        if kind == "removed":
            assert wave is not None
            return (1 - dry) * (wave - clean)
        return clean if wave is None else clean + dry * (wave - clean)

    size = 1 << max(6, round(float(np.log2(WINDOW_SECONDS * rate))))
    rows = max(1, min(int(args["rows"]), MOST_ROWS, size // 2))
    image, low, high, shown = _draw(read, start, frames, (rows, columns), size, max(1, FRAMES_AT_ONCE // facts[1]))
    header = {"rows": len(image), "columns": columns, "start": start, "frames": frames, "rate": rate, "shown": shown}
    return header, image.tobytes() + low.astype("<f4").tobytes() + high.astype("<f4").tobytes()


def spectrogram(wave: Wave, rate: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """Spectrogram ``(rows, columns)`` of a short wave ``(N,)``, as bytes."""

    def read(begin: int, count: int) -> Wave:
        first, last = max(0, min(begin, len(wave))), max(0, min(begin + count, len(wave)))
        before = min(count, max(0, -begin))
        return np.pad(wave[first:last], (before, count - before - (last - first)))[:, None]

    size = 1 << max(6, round(float(np.log2(WINDOW_SECONDS * rate))))
    return _draw(read, 0, len(wave), (min(rows, size // 2), min(columns, len(wave))), size, FRAMES_AT_ONCE)[0]


def _draw(
    read: Callable[[int, int], Wave], start: int, frames: int, shape: tuple[int, int], size: int, at_once: int
) -> tuple[NDArray[np.uint8], Wave, Wave, float]:
    rows, columns = shape
    span = frames / columns
    each = max(1, int(np.ceil(span / (size // 2))))  # frames of a column, half of each over the next
    most = max(1, MOST_FRAMES // columns)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    scale = float((window.sum() / 2) ** 2)
    bands = np.linspace(0, size // 2, rows + 1).astype(int)[:-1]
    image = np.zeros((rows, columns), np.uint8)
    low, high = np.zeros(columns, np.float32), np.zeros(columns, np.float32)

    def levels(framed: Wave) -> NDArray[np.uint8]:
        """Frames ``(columns, each, C, size)`` to bytes ``(rows, columns)``."""
        power = np.square(np.abs(np.fft.rfft(framed * window, axis=-1)), dtype=np.float32).mean((1, 2))
        banded = np.maximum.reduceat(power[:, : size // 2], bands, axis=1).T
        decibels = 10 * np.log10(np.maximum(banded / scale, 1e-13))
        return np.clip((decibels - FLOOR_DB) / STEP_DB, 0, 255).astype(np.uint8)

    if each > most:
        length = (most - 1) * (size // 2) + size
        for column in range(columns):
            wave = read(start + int((column + 0.5) * span) - length // 2, length)
            framed = sliding_window_view(wave, size, axis=0)[:: size // 2]
            image[:, column] = levels(framed[None])[:, 0]
            low[column], high[column] = wave.min(), wave.max()
        return image, low, high, min(1.0, length / span)

    group = max(1, at_once // each)
    for first in range(0, columns, group):
        last = min(columns, first + group)
        edges = start + np.floor(np.arange(first, last + 1) * span).astype(int)
        begin = edges[0] - size // 2
        wave = read(begin, int(edges[-1]) - begin + size)
        inner = edges - begin
        middles = edges[:-1, None] + (np.arange(each) + 0.5) * span / each - begin - size // 2
        image[:, first:last] = levels(
            sliding_window_view(wave, size, axis=0)[np.clip(middles.astype(int), 0, len(wave) - size)]
        )
        lows, highs = wave.min(1), wave.max(1)
        starts = np.minimum(inner[:-1], len(wave) - 1)
        low[first:last] = np.minimum.reduceat(lows[: inner[-1] or 1], starts)
        high[first:last] = np.maximum.reduceat(highs[: inner[-1] or 1], starts)
    return image, low, high, 1.0
