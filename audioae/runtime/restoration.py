"""Restores damaged recordings: finds the damage in a first pass, and repairs it in a second one.

Where the damage is local (clipping, dropouts), all other samples stay as they are, to the bit. A missing upper band is added
to the recording. Late reverberation is everywhere, so that its removal gives every sample anew.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, oaconvolve

from audioae.audio.layout import AnyWave, Audio, finite_or_warn, to_wave, whole_rate
from audioae.audio.spool import spooled_blocks
from audioae.nn.streaming import Streaming
from audioae.runtime.jobs import check_restorer
from audioae.runtime.loading import streaming
from audioae.runtime.segments import Cleaning, in_background
from audioae.runtime.streamer import Streamer
from audioae.signal.arrays import as_array, split
from audioae.signal.clipping import clipped
from audioae.signal.damage import Damage, DamageFinder, check_repairs
from audioae.signal.declip import declipped, frames_of
from audioae.signal.dropouts import LONGEST_SECONDS, Gap
from audioae.signal.prediction import CONTEXT_SECONDS, filled
from audioae.signal.reverberation import attenuation, is_reverberant
from audioae.system.atomic import Temporary
from audioae.system.threads import count
from audioae.weight_files import identity

Wave = NDArray[np.float32]
EXCERPT_SECONDS, EVERY_SECONDS, MOST_EXCERPTS = 6.0, 60.0, 10
"""Excerpts of a recording in which reverberation is looked for: this long, one in this time, and so many."""
SHORTEST_EXCERPT = 0.5
CROSSOVER_SECONDS = 0.012
"""Length of the filter that separates an added upper band."""
LIFTS_DB = (3_400.0, 13.0), (4_000.0, 11.5), (5_500.0, 8.0), (7_200.0, 5.0)
"""Edges in Hz, and gains in dB of the band added above them with which its energy is right on average."""
BLOCK_SECONDS = 4.0


def find_damage(
    audio: Audio, rate: int, only: Collection[str] = (), model: str | os.PathLike[str] | Streaming[Any] = "restore"
) -> Damage:
    """Find what of a recording is damaged.

    Args:
        audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(channels, samples)``; floats in [-1, 1], or int16.
        rate: sample rate in Hz, 8 000 to 192 000.
        only: kinds of damage to look for: ``clipping``, ``dropouts``, ``bandwidth``, ``reverb``; all by default.
        model: the restorer, by which reverberation is found.

    Returns:
        What was found; ``findings`` lists it with times in seconds.

    Raises:
        InputError: an unusable array or rate, or an unknown kind.
        ModelFileError: no such model, or no restorer.

    >>> wave = np.sin(0.05 * np.arange(32000)) * np.linspace(0, 1, 32000)
    >>> find_damage(wave.clip(-0.625, 0.625), 16000, ["clipping"]).findings
    [Finding(kind='clipping', start=1.0, end=2.0, value=0.625)]
    """
    wave, _ = to_wave(audio)
    return _searched(finite_or_warn(wave), whole_rate(rate), check_repairs(only), _restorer(model))


def restore(
    audio: Audio,
    rate: int,
    only: Collection[str] = (),
    denoise: bool = False,
    model: str | os.PathLike[str] | Streaming[Any] = "restore",
) -> Audio:
    """Find what of a recording is damaged, and repair it. Noise and undamaged samples stay as they are.

    Args:
        audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(channels, samples)``; floats in [-1, 1], or int16.
        rate: sample rate in Hz, 8 000 to 192 000.
        only: kinds of damage to repair: ``clipping``, ``dropouts``, ``bandwidth``, ``reverb``; all by default.
        denoise: remove noise afterwards, by the default denoiser.
        model: the restorer: a model of the package, the path of a model file, or a loaded model.

    Returns:
        The restored recording, of the same type, shape, dtype and device. Restored peaks may exceed 1; integers are limited.

    Raises:
        InputError: an unusable array or rate, or an unknown kind.
        ModelFileError: no such model, or no restorer.

    Warns:
        AudioaeWarning: NaN or infinite samples, which are taken as zero.

    >>> wave = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    >>> bool((restore(wave, 16000) == wave).all())  # nothing is damaged
    True
    """
    wave, back = to_wave(audio)
    wave, rate, repairs, restorer = finite_or_warn(wave), whole_rate(rate), check_repairs(only), _restorer(model)
    batch = np.asarray(as_array(wave), np.float32)
    results = []
    for each in batch:
        damage = _searched(each[None], rate, repairs, restorer)
        with repairing(damage, restorer, count(), len(each), "default" if denoise else "") as cleaning:
            blocks = split(each[None], int(BLOCK_SECONDS * rate))
            ready = [as_array(cleaning.feed_wave(block)) for block in blocks] + [as_array(cleaning.flush_wave())]
            results.append(np.concatenate([part for part in ready if part.shape[-1]] or [each[None]], axis=-1))
    return back(np.concatenate(results))


def _searched(wave: AnyWave, rate: int, repairs: Collection[str], model: Streaming[Any]) -> Damage:
    samples = np.asarray(as_array(wave), np.float32)
    search = DamageSearch(model, rate, samples.shape[1], repairs)
    search.feed(samples[0].T)
    return search.finish()


def _restorer(model: str | os.PathLike[str] | Streaming[Any]) -> Streaming[Any]:
    found = loaded(os.fspath(model), "cpu") if isinstance(model, str | os.PathLike) else streaming(model)
    check_restorer(found)
    return found


def loaded(model: str, device: str) -> Streaming[Any]:
    """The model of this name or path, kept until its file changes or some others are loaded."""
    return _loaded(model, device, identity(model))


@lru_cache(maxsize=4)
def _loaded(model: str, device: str, file: tuple[str, int, int, int]) -> Streaming[Any]:
    return streaming(model, device)


@contextmanager
def repairing(damage: Damage, model: Streaming[Any], workers: int, channels: int, denoiser: str = "") -> Iterator[Cleaning]:
    """Repair a recording, chunk by chunk, in background threads.

    Args:
        damage: what was found.
        model: the restorer.
        workers: largest number of segments at a time.
        channels: C.
        denoiser: name or path of the model that removes noise afterwards; empty for none.
    """
    with ExitStack() as stack:
        repairs: Cleaning = Untouched()
        if damage:
            network: Cleaning = Untouched()
            if damage.needs_network:
                streamer = Streamer(model, damage.rate)
                network = stack.enter_context(in_background(streamer, workers, damage.frames, channels))
            repairs = Restoring(damage, network)
        if denoiser:
            streamer = Streamer(loaded(denoiser, "cpu"), damage.rate)
            repairs = Chain(repairs, stack.enter_context(in_background(streamer, workers, damage.frames, channels)))
        yield repairs


class TwoPasses:
    """A recording whose damage is found while it is copied to a temporary file, from which it is read for its repair.

    Args:
        search: finds the damage.
        path: the result, beside which the temporary file is made.
        channels: C.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """

    def __init__(self, search: "DamageSearch", path: Path, channels: int) -> None:
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
        for block in spooled_blocks(self._spool.path, self._channels):
            yield np.ascontiguousarray(block.T)[None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._spool.discard()


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
        """The next ``(frames, C)``."""
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
        """What was found of the kinds to look for."""
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


class Untouched:
    """Gives every sample back as it is: for recordings without damage."""

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """The chunk."""
        return wave

    def flush_wave(self) -> AnyWave:
        """Nothing is missing."""
        return np.zeros((1, 1, 0), np.float32)


class Chain:
    """One way of cleaning after another."""

    def __init__(self, first: Cleaning, second: Cleaning) -> None:
        self.first, self.second = first, second

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """Take a chunk and return the samples that are ready."""
        return self.second.feed_wave(self.first.feed_wave(wave))

    def flush_wave(self) -> AnyWave:
        """Return the remaining samples."""
        rest = as_array(self.first.flush_wave())
        parts = [as_array(self.second.feed_wave(rest))] if rest.shape[-1] else []
        ready = [part for part in [*parts, as_array(self.second.flush_wave())] if part.shape[-1]]
        return np.concatenate(ready, axis=-1) if ready else rest


class Restoring:
    """Repairs a recording, chunk by chunk, with the same result for any chunks.

    Args:
        damage: what was found.
        network: the restorer's stream, which gives an estimate of every sample; :class:`Untouched` for dropouts alone, which
            linear prediction fills better.
    """

    def __init__(self, damage: Damage, network: Cleaning) -> None:
        self.damage, self.network = damage, network
        channels = len(damage.gaps)
        self._filler = GapFiller(damage.gaps, damage.rate)
        # The recording with filled gaps, and the network's estimate: (C, N) both, from sample _base on.
        self._held = [np.zeros((channels, 0), np.float32) for _ in range(2)]
        self._base = self._done = 0
        self._context = 2 * frames_of(damage.rate)

    def feed_wave(self, wave: AnyWave) -> AnyWave:
        """Take a chunk ``(1, C, N)`` and return the samples that are ready."""
        whole = self._filler.feed(np.asarray(as_array(wave)[0], np.float32))
        estimate = as_array(self.network.feed_wave(whole[None]))[0] if whole.shape[1] else whole
        return self._restored((whole, estimate), last=False)

    def flush_wave(self) -> AnyWave:
        """Return the remaining samples."""
        whole = self._filler.flush()
        parts = [self.network.feed_wave(whole[None])] if whole.shape[1] else []
        parts = [each for each in [*parts, self.network.flush_wave()] if each.shape[-1]]
        estimate = np.concatenate([as_array(each)[0] for each in parts], axis=1) if parts else whole[:, :0]
        return self._restored((whole, estimate), last=True)

    def _restored(self, new: Iterable[Wave], last: bool) -> Wave:
        self._held = [np.concatenate(pair, axis=1) for pair in zip(self._held, new, strict=True)]
        window, ready = self.damage.window, self._base + self._held[1].shape[1]
        results = [np.zeros((1, len(self.damage.gaps), 0), np.float32)]
        while self._done + window + self._context <= ready or (last and self._done < ready):
            stop = min(self._done + window, ready)
            results.append(self._window(self._done, stop)[None])
            self._done = stop
            passed = max(0, self._done - self._context - self._base)
            self._held = [each[:, passed:] for each in self._held]
            self._base += passed
        return np.concatenate(results, axis=-1)

    def _window(self, start: int, stop: int) -> Wave:
        """The restored samples from ``start`` to ``stop``."""
        first = max(0, start - self._context)
        whole, estimate = (each[:, first - self._base : stop + self._context - self._base] for each in self._held)
        own = slice(start - first, stop - first)
        if self.damage.reverberation is not None:
            return estimate[:, own]
        result = whole.copy()
        rails = self.damage.rails[start // self.damage.window]
        for channel, limits in enumerate(rails):
            if np.isfinite(limits).any():
                wave = result[channel]
                at = clipped(wave, limits)
                result[channel] = declipped(
                    wave, estimate[channel], *at, (float(limits[0]), float(limits[1])), self.damage.rate
                )
        if self.damage.edge is not None:
            lift = np.float32(10 ** (lift_of(self.damage.edge) / 20))
            result += lift * upper_band(estimate, self.damage.edge, self.damage.rate)
        return result[:, own]


class GapFiller:
    """Fills dropouts by linear prediction, chunk by chunk, with the same result for any chunks.

    Args:
        gaps: first sample and end of each, for each channel.
        rate: Hz.
    """

    def __init__(self, gaps: tuple[tuple[Gap, ...], ...], rate: int) -> None:
        self.gaps, self.rate = gaps, rate
        self._held = np.zeros((len(gaps), 0), np.float32)
        self._base = self._done = 0
        self._context = round((CONTEXT_SECONDS + LONGEST_SECONDS) * rate)

    def feed(self, wave: Wave) -> Wave:
        """Take ``(C, N)`` and return the samples that are ready."""
        if not any(self.gaps):
            return wave
        self._held = np.concatenate([self._held, wave], axis=1)
        ready = self._base + self._held.shape[1] - self._context
        for start, stop in (gap for gaps in self.gaps for gap in gaps):
            if start < ready < stop:
                ready = start
        return self._take(max(ready, self._done))

    def flush(self) -> Wave:
        """Return the remaining samples."""
        return self._take(self._base + self._held.shape[1])

    def _take(self, stop: int) -> Wave:
        end, parts = self._base + self._held.shape[1], []
        for wave, gaps in zip(self._held, self.gaps, strict=True):
            near = [(a - self._base, b - self._base) for a, b in _within(gaps, self._base, end)]
            part = filled(wave, near, self.rate) if near else wave
            parts.append(part[self._done - self._base : stop - self._base])
        passed = max(0, stop - self._context - self._base)
        self._held, self._base, self._done = self._held[:, passed:], self._base + passed, stop
        return np.stack(parts)


def _within(gaps: Iterable[Gap], start: int, stop: int) -> Iterator[Gap]:
    """The parts of gaps between ``start`` and ``stop``."""
    for first, last in gaps:
        if first < stop and last > start:
            yield max(first, start), min(last, stop)


def lift_of(edge: float) -> float:
    """Gain in dB of an added band above ``edge`` Hz.

    The network learnt the most likely compressed magnitudes. Their energy is too low, the more so the less of the band
    could be heard.

    >>> lift_of(4000), lift_of(5500)
    (11.5, 8.0)
    """
    edges, gains = zip(*LIFTS_DB, strict=True)
    return float(np.interp(edge, np.array(edges), np.array(gains)))


def upper_band(estimate: Wave, edge: float, rate: int) -> Wave:
    """The part of ``(C, N)`` above ``edge`` Hz, without delay."""
    taps = 2 * round(CROSSOVER_SECONDS * rate / 2) + 1
    kernel = firwin(taps, edge, pass_zero=False, fs=rate).astype(np.float32)
    return np.asarray(oaconvolve(estimate, kernel[None], mode="same", axes=1), np.float32)
