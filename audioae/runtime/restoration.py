"""Restores damaged recordings: finds the damage and repairs it."""

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from audioae.audio.layout import AnyWave, Audio, finite_or_warn, to_wave, whole_rate
from audioae.errors import InputError
from audioae.nn.streaming import Streaming
from audioae.runtime.damage_search import DamageSearch
from audioae.runtime.jobs import check_restorer
from audioae.runtime.loading import streaming
from audioae.runtime.repairs import Chain, Restoring, Untouched
from audioae.runtime.segments import Cleaning, in_background
from audioae.runtime.streamer import Streamer
from audioae.signal.arrays import as_array, split
from audioae.signal.damage import Damage, check_repairs
from audioae.signal.framing import hop_length
from audioae.system.threads import count
from audioae.weight_files import identity

BLOCK_SECONDS = 4.0


def find_damage(
    audio: Audio, rate: int, only: Collection[str] = (), model: str | os.PathLike[str] | Streaming[Any] = "restore"
) -> Damage:
    """Find the damage of a recording.

    Args:
        audio: numpy ``(frames,)`` or ``(frames, channels)``, or torch ``(channels, samples)``; floats in [-1, 1], or int16.
        rate: sample rate in Hz, 8 000 to 192 000.
        only: kinds of damage to look for: ``clipping``, ``dropouts``, ``bandwidth``, ``reverb``; all by default.
        model: the restorer, which finds reverberation: a name, the path of a model file, or a loaded model.

    Returns:
        The damage; ``findings`` lists it with times in seconds.

    Raises:
        InputError: an unusable array or rate, or an unknown kind.
        ModelFileError: no such model, or one that is not a restorer.

    >>> wave = np.sin(0.05 * np.arange(32000)) * np.linspace(0, 1, 32000)
    >>> find_damage(wave.clip(-0.625, 0.625), 16000, ["clipping"]).findings
    [Finding(kind='clipping', start=1.0, end=2.0, value=0.625)]
    """
    wave, _ = to_wave(audio)
    if len(wave) > 1:
        raise InputError(f"audio has shape {tuple(audio.shape)}, a batch of {len(wave)}: search one recording at a time")
    return _searched(finite_or_warn(wave), _rate(rate), check_repairs(only), _restorer(model))


def restore(
    audio: Audio,
    rate: int,
    only: Collection[str] = (),
    denoise: bool = False,
    model: str | os.PathLike[str] | Streaming[Any] = "restore",
) -> Audio:
    """Find the damage of a recording and repair it. Noise and undamaged samples stay as they are.

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
        ModelFileError: no such model, or one that is not a restorer.

    Warns:
        AudioaeWarning: NaN or infinite samples, which are taken as zero.

    >>> wave = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    >>> bool((restore(wave, 16000) == wave).all())  # nothing is damaged
    True
    """
    wave, back = to_wave(audio)
    wave, rate, repairs, restorer = finite_or_warn(wave), _rate(rate), check_repairs(only), _restorer(model)
    batch = np.asarray(as_array(wave), np.float32)
    results = []
    for each in batch:
        damage = _searched(each[None], rate, repairs, restorer)
        with repairing(damage, restorer, count(), len(each), "default" if denoise else "") as cleaning:
            blocks = split(each[None], int(BLOCK_SECONDS * rate))
            ready = [as_array(cleaning.feed_wave(block)) for block in blocks] + [as_array(cleaning.flush_wave())]
            results.append(np.concatenate([part for part in ready if part.shape[-1]] or [each[None]], axis=-1))
    return back(np.concatenate(results))


def _rate(rate: float) -> int:
    """The sample rate, checked before the search for damage, which takes any."""
    whole = whole_rate(rate)
    hop_length(whole)  # raises outside 8 to 192 kHz
    return whole


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
    """The model of this name or path, cached until its file changes or several others are loaded."""
    return _loaded(model, device, identity(model))


@lru_cache(maxsize=4)
def _loaded(model: str, device: str, file: tuple[str, int, int, int]) -> Streaming[Any]:
    return streaming(model, device)


@contextmanager
def repairing(damage: Damage, model: Streaming[Any], workers: int, channels: int, denoiser: str = "") -> Iterator[Cleaning]:
    """Repair a recording, chunk by chunk, in background threads.

    Args:
        damage: the damage to repair.
        model: the restorer.
        workers: largest number of segments at a time.
        channels: C.
        denoiser: name or path of the model that removes noise afterwards; empty for none.
    """
    with ExitStack() as stack:
        repairs: Cleaning = Untouched()
        for stage in _stages(damage):
            network: Cleaning = Untouched()
            if stage.needs_network:
                streamer = Streamer(model, stage.rate)
                network = stack.enter_context(in_background(streamer, workers, stage.frames, channels))
            restoring = Restoring(stage, network)
            repairs = restoring if isinstance(repairs, Untouched) else Chain(repairs, restoring)
        if denoiser:
            streamer = Streamer(loaded(denoiser, "cpu"), damage.rate)
            repairs = Chain(repairs, stack.enter_context(in_background(streamer, workers, damage.frames, channels)))
        yield repairs


def _stages(damage: Damage) -> list[Damage]:
    """Damage to repair at a time. A missing band is added to what is no longer clipped: otherwise it is of harmonics."""
    if damage.is_clipped and damage.edge is not None and damage.reverberation is None:
        return [damage.only(["clipping", "dropouts"]), damage.only(["bandwidth"])]
    return [damage] if damage else []
