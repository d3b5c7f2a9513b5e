"""The first of two passes over a recording: finds the damage that the second one repairs."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audioae.audio.spool import spooled_blocks
from audioae.nn.streaming import Streaming
from audioae.signal.damage import Damage, DamageFinder
from audioae.signal.reverberation import attenuation, is_reverberant
from audioae.system.atomic import Temporary

Wave = NDArray[np.float32]
EXCERPT_SECONDS, EVERY_SECONDS, MOST_EXCERPTS = 6.0, 60.0, 10
"""Length of the excerpts that are searched for reverberation, distance between two, and largest number."""
SHORTEST_EXCERPT = 0.5
BLOCK_SECONDS = 0.25
"""Least length of the blocks of the second pass, however many channels there are."""


class DamageSearch:
    """Finds the damage of a recording, reverberation included.

    Args:
        model: a restorer.
        rate: Hz.
        channels: C.
        repairs: kinds of damage to look for.
    """

    def __init__(self, model: Streaming[Any], rate: int, channels: int, repairs: Collection[str]) -> None:
        self.model, self.rate, self.repairs = model, rate, repairs
        self._finder = DamageFinder(rate, channels)
        self._excerpts: list[list[Wave]] = []

    def feed(self, block: Wave) -> None:
        """Take the next samples ``(frames, C)``."""
        start, taken = self._finder.frames, round(EXCERPT_SECONDS * self.rate)
        every = round(EVERY_SECONDS * self.rate)
        self._finder.feed(block)
        mono = block.mean(1)
        for number in range(start // every, min((start + len(block)) // every + 1, MOST_EXCERPTS)):
            first, last = (min(max(0, number * every + at - start), len(block)) for at in (0, taken))
            if first < last:
                self._excerpts += [[] for _ in range(number + 1 - len(self._excerpts))]
                self._excerpts[number].append(mono[first:last])

    def finish(self) -> Damage:
        """Return the damage found, of the kinds to look for."""
        damage = self._finder.finish().only(self.repairs)
        if "reverb" not in self.repairs:
            return damage
        waves = [np.concatenate(each) for each in self._excerpts]
        found = [self._attenuation(wave) for wave in waves if len(wave) >= SHORTEST_EXCERPT * self.rate]
        mean = float(np.mean(found)) if found else 0.0
        return replace(damage, reverberation=mean) if is_reverberant(mean) else damage

    def _attenuation(self, wave: Wave) -> float:
        restored: Any = self.model.recording(wave, self.rate)
        return attenuation(wave, restored, self.rate)


class TwoPasses:
    """A recording that is searched for damage while it is copied to a temporary file, which the second pass reads.

    Args:
        search: finds the damage.
        path: path of the result; the temporary file is made in its folder.
        channels: C.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """

    def __init__(self, search: DamageSearch, path: Path, channels: int) -> None:
        self._search, self._channels = search, channels
        self._spool = Temporary(path, overwrite=True)

    def find(self, waves: Iterable[NDArray[np.float32]], progress: Callable[[int], None]) -> Damage:
        """Copy waves ``(1, C, N)`` and find their damage.

        Args:
            waves: all of the recording.
            progress: called with the number of frames done.
        """
        done = 0
        for wave in waves:
            block = np.ascontiguousarray(wave[0].T)
            self._search.feed(block)
            self._spool.write(block.tobytes())
            done += len(block)
            progress(done)
        return self._search.finish()

    def waves(self) -> Iterator[NDArray[np.float32]]:
        """The copied waves ``(1, C, N)``."""
        # Repairs hold a second of sound and copy it with every block.
        for block in spooled_blocks(self._spool.path, self._channels, least=round(BLOCK_SECONDS * self._search.rate)):
            yield np.ascontiguousarray(block.T)[None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spool.discard()
