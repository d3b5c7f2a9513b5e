"""Mixes training examples. Each is a pure function of the seed, the batch's index and the row.

A resumed training therefore uses the same examples as an uninterrupted one, for any number of workers and processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from audioae.data import degrade, noises, rooms, voices
from audioae.data.config import DataConfig
from audioae.data.gather import Sources, class_of
from audioae.data.sources import AudioCache, Clip, check_skipped
from audioae.errors import DataError, InputError
from audioae.signal.levels import active_rms, from_db, rms, to_db
from audioae.signal.prediction import filled

Wave = NDArray[np.float32]
WIDE_ENOUGH = 0.66
"""Least sample rate of recordings relative to the batch, so that the upper bands are not always empty."""
ATTEMPTS = 20
ROOM_TONE_DB, RUMBLE_DB = (-65.0, -38.0), (-40.0, -6.0)
"""Smallest and largest level relative to the speech."""
REPLICATION_DB = 1.0, 14.0
"""Smallest and largest attenuation from one copied band to the next."""
EFFORT_DB, GAIN_STEPS_DB, CLIPPING_DB = 15.0, 10.0, 10.0
"""Largest change by these augmentations."""
HIGH_PASS_HZ = 50.0
"""Smallest cut-off frequency."""
OFFSET = 0.3
"""Largest constant offset, relative to full scale."""
LATE_START_SECONDS = 1.0
"""Longest silence before a recording."""


@dataclass(frozen=True)
class Batch:
    """Examples to train on.

    Attributes:
        noisy: ``(B, 1, N)``.
        clean: ``(B, 1, N)``.
        rate: Hz, the same for all.
        labels: name of the class of each example; empty where the data has no classes.
        skipped: damaged files that were found while this batch was mixed, with the reason.
        turn: how often the batch was used before; see :func:`~audioae.data.remix.remixed`.
    """

    noisy: Tensor
    clean: Tensor
    rate: int
    labels: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    turn: int = 0


@dataclass
class Mixer:
    """Mixes batches.

    Args:
        config: the recipe's ``data`` section.
        seed: the recipe's.
        sources: recordings to mix.
        workers: number of mixers that share the memory.
    """

    config: DataConfig
    seed: int
    sources: Sources
    workers: int = 1
    skipped: dict[Path, str] = field(default_factory=dict)
    """Files that could not be decoded, with the reason."""

    def __post_init__(self) -> None:
        self.cache = AudioCache(self.config.memory_mb / max(1, self.workers))
        self._chosen: dict[tuple[str, int], list[Clip]] = {}

    def rate(self, index: int) -> int:
        """The sample rate of a batch."""
        rng = np.random.default_rng([self.seed, index])
        if self.config.other_rates and rng.random() < self.config.other_share:
            return int(rng.choice(self.config.other_rates))
        return self.config.rate

    def batch(self, index: int, rows: Sequence[int]) -> Batch:
        """These rows of the batch at ``index``, counted from 0.

        Raises:
            DataError: too many damaged files.
        """
        rate, before = self.rate(index), set(self.skipped)
        examples = [self.example(index, row, rate) for row in rows]
        noisy, clean = (torch.from_numpy(np.stack(side)).unsqueeze(1) for side in zip(*examples, strict=True))
        part = self.config.label
        labels = () if part is None else tuple(class_of(self._whole(index, row, rate)[0].path, part) for row in rows)
        skipped = tuple(reason for path, reason in self.skipped.items() if path not in before)
        return Batch(noisy, clean, rate, labels, skipped)

    def example(self, index: int, row: int, rate: int) -> tuple[Wave, Wave]:
        """One noisy and clean wave ``(N,)``."""
        rng = np.random.default_rng([self.seed, index, row])
        samples = round(self.config.seconds * rate)
        augment = self.config.augment
        if self.sources.pairs and (not self.sources.clean.clips or rng.random() < self.config.pairs_share):
            return self._recorded_pair(rng, rate, samples)
        kind = rng.random()
        speech = np.zeros(samples, np.float32)
        if kind >= augment.noise_only:
            speech = self.speech(rng, rate, samples) if self.config.crop == "stream" else self.clip(rng, index, row, rate)
            if augment.no_lead_in.share and rng.random() < augment.no_lead_in.share:
                speech = voices.from_first_word(rng, speech, rate)
        target = speech
        if rng.random() < augment.reverb.share:
            speech, target = self._room(rng, speech, rate)
        level = active_rms(speech, rate)
        if level > 1e-7:
            speech, target = speech / np.float32(level), target / np.float32(level)
            if rng.random() < augment.room_tone.share:
                tone = noises.coloured(rng, samples, rate)
                tone *= np.float32(from_db(rng.uniform(*ROOM_TONE_DB)))
                speech, target = speech + tone, target + tone
            if augment.rumble.share and rng.random() < augment.rumble.share:
                low = noises.rumble(rng, samples, rate)
                low *= np.float32(from_db(rng.uniform(*RUMBLE_DB)))
                speech, target = speech + low, target + low
        noise = np.zeros(samples, np.float32)
        if kind < augment.noise_only or kind >= augment.noise_only + augment.clean_only:
            snr = augment.snr
            ratio = float(np.clip(rng.normal(snr.mean, snr.spread), snr.lowest, snr.highest))
            noise = self.noise(rng, rate, samples) * np.float32(from_db(-ratio))
            if augment.kept_noise and rng.random() < augment.kept_noise:
                target = target + noise
        return self._finish(rng, speech + noise, target, rate)

    def speech(self, rng: np.random.Generator, rate: int, samples: int) -> Wave:
        """Speech ``(N,)``: a recording from a random position, followed by the next ones of the list, with short pauses."""
        replicate = rate > degrade.NARROW_RATE and rng.random() < self.config.augment.replication.share
        clips = self.sources.clean.clips if replicate else self._wide("clean", rate)
        at = int(rng.integers(len(clips)))
        speed = self._speed(rng)
        parts: list[Wave] = []
        missing = samples
        for attempt in range(ATTEMPTS * 4):
            clip = clips[at % len(clips)]
            longest = samples / rate * speed
            start = 0.0
            if not parts:
                start = rng.uniform(0, max(0.0, clip.seconds - 0.5 * longest))
            wave = self._crop(clip, rate, start, longest + 0.1)
            at += 1
            if wave is None:
                at = int(rng.integers(len(clips))) if attempt % 4 == 3 else at
                continue
            wave = self._paced(rng, wave, rate, speed)
            pause = np.zeros(int(rng.uniform(0, 0.4) * rate), np.float32)
            parts += [wave, pause]
            missing -= len(wave) + len(pause)
            if missing <= 0:
                break
        joined = np.concatenate(parts)[:samples] if parts else np.zeros(0, np.float32)
        wave = np.pad(joined, (0, samples - len(joined)))
        if replicate:
            wave = degrade.replicate(rng, wave, rate, *REPLICATION_DB)
        return self._voiced(rng, wave, rate)

    def clip(self, rng: np.random.Generator, index: int, row: int, rate: int) -> Wave:
        """Speech ``(N,)``: one recording from its start, followed by silence or cut off."""
        wave = self._whole(index, row, rate)[1]
        wave = self._paced(rng, wave, rate, self._speed(rng))
        samples = round(self.config.seconds * rate)
        wave = np.pad(wave[:samples], (0, max(0, samples - len(wave))))
        return self._voiced(rng, wave, rate)

    def _whole(self, index: int, row: int, rate: int) -> tuple[Clip, Wave]:
        """The recording of an example, up to twice its length."""
        rng = np.random.default_rng([self.seed, index, row, 1])
        clips = self.sources.clean.clips
        for _ in range(ATTEMPTS):
            clip = clips[int(rng.integers(len(clips)))]
            wave = self._crop(clip, rate, 0, 2 * self.config.seconds)
            if wave is not None:
                return clip, wave
        raise DataError(f"data.clean: none of {ATTEMPTS} recordings, drawn at random, could be read")

    def _speed(self, rng: np.random.Generator) -> float:
        speed = self.config.augment.speed
        if rng.random() >= speed.share:
            return 1.0
        return float(np.exp(rng.uniform(np.log(speed.slowest), np.log(speed.fastest))))

    def _paced(self, rng: np.random.Generator, wave: Wave, rate: int, speed: float) -> Wave:
        change = self.config.augment.speed
        if change.glides and rng.random() < change.glides:
            return voices.gliding(rng, wave, rate, speed, change.octaves)
        return wave if speed == 1.0 else degrade.at_speed(wave, speed)

    def _voiced(self, rng: np.random.Generator, wave: Wave, rate: int) -> Wave:
        augment = self.config.augment
        if augment.formants.share and rng.random() < augment.formants.share:
            ratio = float(np.exp(rng.uniform(np.log(augment.formants.lowest), np.log(augment.formants.highest))))
            wave = voices.moved_formants(wave, rate, ratio)
        if augment.whisper.share and rng.random() < augment.whisper.share:
            wave = voices.whispered(rng, wave, rate)
        if augment.effort.share and rng.random() < augment.effort.share:
            wave = voices.raised_voice(rng, wave, rate, EFFORT_DB)
        if rng.random() < self.config.augment.eq.share:
            wave = degrade.tone(rng, wave, rate, self.config.augment.eq.decibels)
        if rng.random() < self.config.augment.proximity.share:
            wave = degrade.bass(wave, rate, rng.uniform(0, self.config.augment.proximity.decibels), rng.uniform(80, 300))
        return wave

    def noise(self, rng: np.random.Generator, rate: int, samples: int) -> Wave:
        """Noise ``(N,)`` with an RMS of one: recorded, synthetic or babble, or a sum of two."""
        augment = self.config.augment
        wave = self._one_noise(rng, rate, samples)
        if rng.random() < augment.second_noise.share:
            wave = wave + self._one_noise(rng, rate, samples) * np.float32(from_db(rng.uniform(-12, 0)))
        if rng.random() < augment.gain_steps.share:
            wave = noises.varying_gain(rng, wave, rate, GAIN_STEPS_DB)
        if rng.random() < augment.clicks.share:
            wave = wave + noises.clicks(rng, samples, rate) * np.float32(from_db(rng.uniform(-10, 5)))
        curve = augment.noise_eq if augment.noise_eq.share else augment.eq
        if rng.random() < curve.share:
            wave = degrade.tone(rng, wave, rate, curve.decibels)
        return noises.normalised(wave)

    def _one_noise(self, rng: np.random.Generator, rate: int, samples: int) -> Wave:
        augment = self.config.augment
        kind = rng.random()
        if kind < augment.coloured.share or not self.sources.noise.clips:
            return noises.coloured(rng, samples, rate)
        kind -= augment.coloured.share
        if kind < augment.hum.share:
            return noises.hum(rng, samples, rate)
        kind -= augment.hum.share
        if kind < augment.banded.share:
            return noises.banded(rng, samples, rate)
        kind -= augment.banded.share
        if kind < augment.babble.share and self.sources.clean.clips:
            voices = range(int(rng.integers(augment.babble.fewest, augment.babble.most + 1)))
            talk = [self.speech(rng, rate, samples) for _ in voices]
            return noises.normalised(sum((t / np.float32(active_rms(t, rate) + 1e-6) for t in talk), np.zeros(samples)))
        wave = self._recorded_noise(rng, rate, samples)
        if augment.splice.share and rng.random() < augment.splice.share:
            for _ in range(int(rng.integers(1, 3))):
                wave = noises.spliced(rng, wave, self._recorded_noise(rng, rate, samples), rate)
        if augment.recoloured.share and rng.random() < augment.recoloured.share:
            wave = noises.normalised(degrade.tone_of(wave, self._recorded_noise(rng, rate, samples), rate))
        return wave

    def _recorded_noise(self, rng: np.random.Generator, rate: int, samples: int) -> Wave:
        clips = self._wide("noise", rate)
        change = self.config.augment.noise_speed
        speed = rng.uniform(change.slowest, change.fastest) if rng.random() < change.share else 1.0
        for _ in range(ATTEMPTS):
            clip = clips[int(rng.integers(len(clips)))]
            longest = samples / rate * speed
            start = rng.uniform(0, max(0.0, clip.seconds - longest))
            wave = self._crop(clip, rate, start, longest + 0.1)
            if wave is None or rms(wave) < 1e-5:
                continue
            wave = degrade.at_speed(wave, speed)
            # Short recordings are repeated.
            wave = np.tile(wave, -(-samples // len(wave)))[:samples]
            if rms(wave) >= 1e-5:
                if change.backwards and rng.random() < change.backwards:
                    wave = wave[::-1]
                return noises.normalised(wave)
        return noises.coloured(rng, samples, rate)

    def _room(self, rng: np.random.Generator, speech: Wave, rate: int) -> tuple[Wave, Wave]:
        reverb = self.config.augment.reverb
        response = None
        if self.sources.rir.clips and rng.random() >= reverb.simulated:
            clip = self.sources.rir.clips[int(rng.integers(len(self.sources.rir.clips)))]
            response = self._crop(clip, rate, 0, clip.seconds)
        if response is None:
            response = rooms.simulated(rng, rate, rng.uniform(reverb.shortest, reverb.longest))
        else:
            response = rooms.aligned(response)
        return rooms.reverberate(speech, response, rate, reverb.early)

    def _finish(self, rng: np.random.Generator, noisy: Wave, clean: Wave, rate: int) -> tuple[Wave, Wave]:
        augment = self.config.augment
        if rng.random() < augment.high_pass.share:
            hz = rng.uniform(HIGH_PASS_HZ, augment.high_pass.highest)
            if augment.high_pass.steep and rng.random() < augment.high_pass.steep:
                noisy, clean = degrade.steep_high_pass(rng, [noisy, clean], rate, hz)
            else:
                noisy, clean = degrade.high_pass(noisy, rate, hz), degrade.high_pass(clean, rate, hz)
        if rng.random() < augment.band_limit.share:
            limit = augment.band_limit
            hz = float(np.exp(rng.uniform(np.log(limit.lowest), np.log(limit.highest))))
            noisy, clean = degrade.band_limit([noisy, clean], rate, hz)
        if augment.bandwidth.share and rng.random() < augment.bandwidth.share:
            hz = float(np.exp(rng.uniform(np.log(augment.bandwidth.lowest), np.log(augment.bandwidth.highest))))
            (noisy,) = degrade.band_limit([noisy], rate, hz)
        if rng.random() < augment.clipping.share:
            if railed := augment.clipping.railed:
                noisy = degrade.rails(rng, noisy, railed, rng.random() < augment.clipping.soft)
            else:
                noisy = degrade.clip(noisy, rng.uniform(0, CLIPPING_DB))
        if augment.holes.share and rng.random() < augment.holes.share:
            noisy = degrade.holes(rng, noisy)
        if rng.random() < augment.codec.share:
            noisy = degrade.codec(rng, noisy)
        level = augment.level
        wanted = float(np.clip(rng.normal(level.mean, level.spread), level.lowest, level.highest))
        now = to_db(rms(noisy))
        gain = np.float32(from_db(wanted - now)) if now > -150 else np.float32(1)
        # A recorder's automatic gain keeps peaks within full scale.
        gain = min(gain, np.float32(0.99 / max(float(np.abs(noisy).max()), 1e-9)))
        noisy, clean = noisy * gain, clean * gain
        if augment.late_start.share and rng.random() < augment.late_start.share:
            start = int(rng.uniform(0, min(LATE_START_SECONDS, 0.5 * self.config.seconds)) * rate)
            noisy[:start] = clean[:start] = 0
        if augment.offset.share and rng.random() < augment.offset.share:
            noisy = noisy + np.float32(rng.uniform(-OFFSET, OFFSET))
        if augment.dropouts.share and rng.random() < augment.dropouts.share:
            noisy = self._with_dropouts(rng, noisy, rate)
        return noisy, clean

    def _with_dropouts(self, rng: np.random.Generator, noisy: Wave, rate: int) -> Wave:
        dropouts = self.config.augment.dropouts
        gaps = degrade.lost_packets(rng, len(noisy), rate, dropouts)
        damaged = degrade.without_packets(noisy, gaps, rng.random() < dropouts.repeats)
        return filled(damaged, gaps, rate) if dropouts.filled else damaged

    def _recorded_pair(self, rng: np.random.Generator, rate: int, samples: int) -> tuple[Wave, Wave]:
        seconds = samples / rate
        for _ in range(ATTEMPTS):
            pair = self.sources.pairs[int(rng.integers(len(self.sources.pairs)))]
            start = rng.uniform(0, max(0.0, pair.seconds - seconds))
            both = [self._crop(Clip(p, pair.rate, pair.frames), rate, start, seconds) for p in (pair.noisy, pair.clean)]
            noisy, clean = both
            if noisy is not None and clean is not None and len(noisy) == len(clean):
                extra = samples - len(noisy)
                return np.pad(noisy, (0, extra)), np.pad(clean, (0, extra))
        raise DataError("no pair of data.pairs could be read: are the noisy and clean recordings equally long?")

    def _wide(self, source: Literal["clean", "noise"], rate: int) -> list[Clip]:
        """Clips with a sufficient sample rate, or all clips if there are none."""
        key = (source, rate)
        if key not in self._chosen:
            clips = self.sources.clean.clips if source == "clean" else self.sources.noise.clips
            self._chosen[key] = [clip for clip in clips if clip.rate >= WIDE_ENOUGH * rate] or clips
        return self._chosen[key]

    def _crop(self, clip: Clip, rate: int, start: float, seconds: float) -> Wave | None:
        if clip.path in self.skipped:
            return None
        try:
            wave = self.cache.crop(clip, rate, start, seconds)
        except InputError as error:
            self.skipped[clip.path] = str(error)
            everything = self.sources.clean.clips + self.sources.noise.clips + self.sources.rir.clips
            check_skipped(list(self.skipped.items()), len(everything) + 2 * len(self.sources.pairs), self.config.max_skipped)
            return None
        return wave if len(wave) > 1 else None
