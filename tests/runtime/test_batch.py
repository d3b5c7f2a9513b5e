"""Streams that are cleaned together have the results of separate streams."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

import audioae
from audioae.runtime.batch import Batch

RATE = 8000


@pytest.fixture(scope="module")
def model() -> audioae.Denoiser:
    return audioae.load("conv_dae", family=audioae.Denoiser)


def noises(count: int) -> list[np.ndarray]:
    return [np.random.default_rng(n).normal(0, 0.05, 6000 + 321 * n).astype(np.float32) for n in range(count)]


def alone(model: audioae.Denoiser, wave: np.ndarray) -> np.ndarray:
    streamer = audioae.Streamer(model, RATE, atten_limit=20)
    return np.concatenate([streamer.feed(wave), streamer.flush()])


def chunked(wave: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    rng, at = np.random.default_rng(seed), 0
    while at < len(wave):
        size = int(rng.integers(0, 700))
        yield wave[at : at + size]
        at += size


def test_results_do_not_depend_on_chunks_and_starts(model: audioae.Denoiser) -> None:
    batch, waves = Batch(model, RATE, atten_limit=20), noises(3)
    streams = [batch.open() for _ in waves]
    sources = [chunked(wave, seed) for seed, wave in enumerate(waves)]
    parts: list[list[np.ndarray]] = [[] for _ in waves]
    left, turn = {0, 1, 2}, 0
    while left:
        turn += 1
        now = [n for n in sorted(left) if turn > 3 * n]
        chunks = {n: chunk for n in now if (chunk := next(sources[n], None)) is not None}
        left -= {*now} - {*chunks}
        for n, ready in zip(chunks, batch.feed([(streams[n], chunk) for n, chunk in chunks.items()]), strict=True):
            parts[n].append(ready)
    for n, wave in enumerate(waves):
        made = np.concatenate([*parts[n], batch.flush(streams[n])])
        assert made.shape == wave.shape and np.abs(made - wave).max() > 0.01
        assert np.abs(made - alone(model, wave)).max() < 1e-5


def test_every_stream_has_a_strength_that_may_change(model: audioae.Denoiser) -> None:
    batch, waves = Batch(model, RATE, atten_limit=20), noises(3)
    streams, off = [batch.open() for _ in waves], audioae.Strength(mix=0)
    parts: list[list[np.ndarray]] = [[] for _ in waves]
    for at in range(0, 6000, 500):
        if at == 2500:
            streams[1].strength = off
        for part, ready in zip(
            parts, batch.feed([(s, w[at : at + 500]) for s, w in zip(streams, waves, strict=True)]), strict=True
        ):
            part.append(ready)
    made = [np.concatenate([*part, batch.flush(stream)]) for part, stream in zip(parts, streams, strict=True)]
    streamer = audioae.Streamer(model, RATE, atten_limit=20)
    first = streamer.feed(waves[1][:2500])
    streamer.strength = off
    wanted = np.concatenate([first, streamer.feed(waves[1][2500:6000]), streamer.flush()])
    assert np.abs(made[1] - wanted).max() < 1e-5 and np.abs(made[1] - waves[1][:6000])[3000:].max() < 1e-5
    for n in (0, 2):
        assert np.abs(made[n] - alone(model, waves[n][:6000])).max() < 1e-5


def test_tasks_of_an_event_loop_share_a_batch(model: audioae.Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, waves, sizes = Batch(model, RATE, atten_limit=20), noises(4), []
    feed = batch.feed
    monkeypatch.setattr(batch, "feed", lambda chunks: sizes.append(len(chunks)) or feed(chunks))

    async def one(wave: np.ndarray) -> np.ndarray:
        stream = batch.open()
        parts = [await batch.clean(stream, wave[at : at + 160]) for at in range(0, 4800, 160)]
        return np.concatenate([*parts, batch.flush(stream)])

    async def every() -> list[np.ndarray]:
        return await asyncio.gather(*map(one, waves))

    for wave, made in zip(waves, asyncio.run(every()), strict=True):
        assert np.abs(made - alone(model, wave[:4800])).max() < 1e-5
    assert max(sizes) == 4


def test_errors_are_raised_in_the_waiting_tasks(model: audioae.Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(model, RATE)

    def broken(*_: object) -> None:
        raise audioae.ModelFileError("broken")

    monkeypatch.setattr(batch.denoiser, "step", broken)

    async def one() -> None:
        with pytest.raises(audioae.ModelFileError, match="broken"):
            await batch.clean(batch.open(), np.zeros(1000, np.float32))

    async def two() -> None:
        await asyncio.gather(one(), one())

    asyncio.run(two())
    with pytest.raises(audioae.InputError, match="make a Batch for each rate"):
        batch.check_rate(16000)


def test_chunks_of_one_stream_are_cleaned_one_after_the_other(model: audioae.Denoiser) -> None:
    batch, (wave,) = Batch(model, RATE, atten_limit=20), noises(1)
    stream = batch.open()

    async def together() -> list[np.ndarray]:
        return await asyncio.gather(*[batch.clean(stream, wave[at : at + 160]) for at in range(0, 4800, 160)])

    made = np.concatenate([*asyncio.run(together()), batch.flush(stream)])
    assert np.abs(made - alone(model, wave[:4800])).max() < 1e-5
    with pytest.raises(audioae.InputError, match="one after the other"):
        batch.feed([(stream, wave[:160]), (stream, wave[:160])])
