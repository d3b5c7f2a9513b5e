"""Reads a written media file back, and checks the copied tracks and the time of the sound."""

from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audioae.audio.media.library import open_input
from audioae.audio.media.reader import MediaReader
from audioae.audio.media.timeline import Timeline
from audioae.audio.media.tracks import STRICT, Sum, packets

Wave = NDArray[np.float32]
EXCERPT_SECONDS = 0.1
MARGIN_SECONDS = 0.15
"""Range around the expected time in which an excerpt is searched."""
MOST = 16
"""Largest number of excerpts per recording."""
AUDIBLE = 1e-3
LIKE = 0.4
"""Smallest correlation at which the sound is recognised."""
NEARLY = 0.98


class Excerpts:
    """Short loud pieces of a recording, spread over its length, in constant memory.

    Args:
        rate: Hz.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.found: list[tuple[int, int, Wave]] = []
        """Number of the first sample, channel, and samples ``(N,)``."""
        self._samples = 0

    def feed(self, block: Wave) -> None:
        """The next ``(N, C)``."""
        size = max(1, round(EXCERPT_SECONDS * self.rate))
        count = len(block) // size
        if count:
            energy = np.square(block[: count * size].reshape(count, size, -1), dtype=np.float64).sum(1)
            piece, channel = np.unravel_index(int(energy.argmax()), energy.shape)
            wave = block[piece * size : (piece + 1) * size, channel].copy()
            self.found.append((self._samples + int(piece) * size, int(channel), wave))
        self._samples += len(block)
        if len(self.found) > MOST:
            pairs = zip(self.found[::2], self.found[1::2], strict=False)
            self.found = [max(pair, key=lambda each: float(np.square(each[2]).sum())) for pair in pairs]


class MediaContents:
    """Contents of a written media file.

    Args:
        path: path of the file.
        index: index of the sound track among all tracks.
        number: number of the sound track among sound tracks, from 1.
    """

    def __init__(self, path: Path, index: int, number: int) -> None:
        self.path, self.index, self.number = path, index, number
        self.sums: dict[int, Sum] = {}
        with open_input(path) as container:
            self.family = container.format.name.partition(",")[0]
            for packet in packets(container):
                if packet.stream_index != index:
                    self.sums.setdefault(packet.stream_index, Sum()).add(packet)

    def shift(self, before: dict[int, tuple[int, Sum]]) -> float:
        """Shift of all other tracks in seconds, because some containers have no times before zero."""
        found = [
            self.sums[index].first - each.first  # type: ignore[operator]
            for index, each in before.values()
            if index in self.sums and each.first is not None and self.sums[index].first is not None
        ]
        return median(found) if found else 0.0

    def difference(self, before: dict[int, tuple[int, Sum]], family: str) -> str:
        """Difference to the recording, a track with the reason; empty without a difference.

        Args:
            before: the recording's tracks: index in the result, and contents.
            family: demuxer of the recording.
        """
        strict = family == self.family and family in STRICT
        shift = self.shift(before)
        for number, (index, each) in before.items():
            why = each.differs(self.sums.get(index, Sum()), shift, strict)
            # Pictures follow all other tracks, and a result may have one track more, for chapters.
            moved = each.packets == 1 and any(other.crc == each.crc for other in self.sums.values())
            if why and not moved:
                return f"track {number + 1} has {why}"
        return ""

    def lag(self, excerpts: Excerpts, timeline: Timeline, later: float) -> tuple[int | None, int]:
        """Delay of the excerpts in samples, and the number of samples to the end of the sound.

        Args:
            excerpts: excerpts of the sound that was written.
            timeline: timeline of the recording.
            later: shift of the file in seconds.

        Returns:
            The delay at the excerpts' rate, None if no excerpt is recognised; and the end at the same rate.
        """
        rate = excerpts.rate
        margin = round(MARGIN_SECONDS * rate)
        wanted = [round((float(timeline.time(at)) + later) * rate) - margin for at, _, _ in excerpts.found]
        alone = not self.sums and self.family == "asf"  # its sound never starts at zero
        decoded = [np.zeros(len(wave) + 2 * margin, np.float32) for _, _, wave in excerpts.found]
        end = 0
        with MediaReader(self.path, salvage=True, track=self.number) as reader:
            own = reader.info.rate
            factor = rate / own
            at = 0
            # Each block has its own time, because there may be gaps between blocks.
            for block in reader.blocks(max(1, own // 10)):
                time = reader.track.timeline.time(at)
                if alone:
                    time += timeline.time(0) - reader.track.timeline.time(0)
                first = round(float(time) * rate)
                at += len(block)
                scaled = block if own == rate else _at_rate(block, own, rate)
                end = first + round(len(block) * factor)
                for (_, channel, _), begin, into in zip(excerpts.found, wanted, decoded, strict=True):
                    _put(scaled, min(channel, scaled.shape[1] - 1), first - begin, into)
        return _best([wave for _, _, wave in excerpts.found], decoded, margin), end


def _put(block: Wave, channel: int, place: int, into: Wave) -> None:
    """Copy the overlap of a block, whose first sample is at ``place``, to ``into``."""
    start, stop = max(place, 0), min(place + len(block), len(into))
    if start < stop:
        into[start:stop] = block[start - place : stop - place, channel]


def _at_rate(block: Wave, before: int, after: int) -> Wave:
    """Resample a short block by linear interpolation, which is sufficient for recognition."""
    places = np.arange(round(len(block) * after / before)) * before / after
    columns = [np.interp(places, np.arange(len(block)), column) for column in block.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _best(waves: list[Wave], decoded: list[Wave], margin: int) -> int | None:
    """The delay with the largest correlation over all excerpts; the smallest one of nearly equal ones."""
    total: NDArray[Any] = np.zeros(2 * margin + 1)
    weight = 0.0
    for wave, there in zip(waves, decoded, strict=True):
        energy = float(np.square(wave, dtype=np.float64).sum())
        if energy < AUDIBLE**2 * len(wave):
            continue
        size = 1 << (len(there) + len(wave) - 1).bit_length()
        product = np.fft.rfft(there, size) * np.conj(np.fft.rfft(wave, size))
        matches = np.fft.irfft(product, size)[: 2 * margin + 1]
        squares = np.cumsum(np.concatenate([[0.0], np.square(there, dtype=np.float64)]))
        powers = squares[len(wave) :] - squares[: -len(wave)]
        total += energy * matches / np.sqrt(np.maximum(powers, 1e-12) * energy)
        weight += energy
    if not weight or total.max() < LIKE * weight:
        return None
    near = np.flatnonzero(total >= NEARLY * total.max()) - margin
    best = int(total.argmax()) - margin
    least = int(near[np.abs(near).argmin()])
    # Short sounds correlate with neighbouring samples; steady tones correlate after a period.
    return best if abs(best - least) < 8 and least != 0 else least


def expected_end(timeline: Timeline, later: float) -> int:
    """Number of samples from time zero to the end of the sound."""
    last = timeline.time(max(timeline.samples - 1, 0)) + Fraction(1, timeline.rate)
    return round((float(last) + later) * timeline.rate)
