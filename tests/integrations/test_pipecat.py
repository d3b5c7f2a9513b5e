"""The filter in a pipeline of pipecat, with a file as the transport."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import audioae
from audioae.runtime.batch import Batch

pytest.importorskip("pipecat", reason="pipecat-ai is not installed: pip install 'audioae[pipecat]'")

from pipecat.frames.frames import EndFrame, FilterEnableFrame, Frame, InputAudioRawFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from audioae.integrations.pipecat import AudioaeFilter

RATE = 16000
CHUNK = 320
"""20 ms."""


class FileTransport(BaseInputTransport):
    """Plays 16-bit samples into a pipeline, with control frames before some chunks."""

    def __init__(self, samples: np.ndarray, cleaner: AudioaeFilter, controls: dict[int, Frame]) -> None:
        super().__init__(TransportParams(audio_in_enabled=True, audio_in_filter=cleaner, audio_in_sample_rate=RATE))
        self.samples, self.controls, self.played = samples, controls, asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.task = self.create_task(self.play())

    async def play(self) -> None:
        for number, at in enumerate(range(0, len(self.samples), CHUNK)):
            if number in self.controls:
                await self._audio_in_queue.join()  # earlier frames are processed
                await self.process_frame(self.controls[number], FrameDirection.DOWNSTREAM)
            data = self.samples[at : at + CHUNK].tobytes()
            await self.push_audio_frame(InputAudioRawFrame(data, RATE, 1))
        await self._audio_in_queue.join()
        self.played.set()


class Heard(FrameProcessor):
    """Collects the frames that leave the transport."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.parts.append(frame.audio)
        await self.push_frame(frame, direction)


async def played(samples: np.ndarray, cleaner: AudioaeFilter, controls: dict[int, Frame] | None = None) -> np.ndarray:
    transport, heard = FileTransport(samples, cleaner, controls or {}), Heard()
    worker = PipelineWorker(
        Pipeline([transport, heard]),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
        params=PipelineParams(audio_in_sample_rate=RATE),
    )

    async def end() -> None:
        await transport.played.wait()
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), end())
    return np.frombuffer(b"".join(heard.parts), np.int16)


@pytest.fixture(scope="module")
def noisy(root: Path) -> np.ndarray:
    return soundfile.read(root / "samples/noisy/16k-fire.flac", dtype="int16")[0][: 2 * RATE]


@pytest.fixture(scope="module")
def root() -> Path:
    return Path(__file__).parent.parent.parent


def expected(noisy: np.ndarray, **options: Any) -> np.ndarray:
    return audioae.denoise(noisy, RATE, "conv_dae", **options)


def test_a_file_is_cleaned_in_a_pipeline(noisy: np.ndarray) -> None:
    made = asyncio.run(played(noisy, AudioaeFilter(atten_limit=15)))
    latency = audioae.Streamer("conv_dae", RATE).latency_samples
    assert len(noisy) - latency <= len(made) <= len(noisy)
    clean = expected(noisy, atten_limit=15)
    assert np.abs(clean.astype(int) - noisy).max() > 300
    assert np.abs(made.astype(int) - clean[: len(made)]).max() <= 1  # one rounding


def test_off_and_on_lose_no_sample(noisy: np.ndarray) -> None:
    controls: dict[int, Frame] = {20: FilterEnableFrame(enable=False), 40: FilterEnableFrame(enable=True)}
    made, streamer = asyncio.run(played(noisy, AudioaeFilter(), controls)), audioae.Streamer("conv_dae", RATE)
    first, second, hop, clean = 20 * CHUNK, 40 * CHUNK, streamer.hop, expected(noisy).astype(int)
    assert len(noisy) - streamer.latency_samples <= len(made) <= len(noisy)
    assert np.abs(made[:first] - clean[:first]).max() <= 1
    assert np.array_equal(made[first + hop : second], noisy[first + hop : second])
    assert np.abs(made[second + hop :] - clean[second + hop : len(made)]).max() <= 1


def test_a_filter_that_is_off_from_the_beginning_passes_the_input(noisy: np.ndarray) -> None:
    made = asyncio.run(played(noisy, AudioaeFilter(), {0: FilterEnableFrame(enable=False)}))
    assert len(made) > len(noisy) - 1000 and np.array_equal(made, noisy[: len(made)])


def test_chunks_may_be_cut_within_a_sample_and_a_filter_starts_again(noisy: np.ndarray) -> None:
    cleaner, data = AudioaeFilter(), noisy.tobytes()

    async def turn(size: int) -> bytes:
        await cleaner.start(8000)
        await cleaner.filter(data[:999])
        await cleaner.start(RATE)
        made = [await cleaner.filter(data[begin : begin + size]) for begin in range(0, len(data), size)]
        await cleaner.stop()
        await cleaner.stop()
        return b"".join(made)

    for size in (333, 641):
        made = np.frombuffer(asyncio.run(turn(size)), np.int16)
        assert len(made) > len(noisy) - 1000
        assert np.abs(made.astype(int) - expected(noisy)[: len(made)]).max() <= 1


def test_pipelines_share_a_batch(noisy: np.ndarray) -> None:
    batch, halves = Batch("conv_dae", RATE), np.split(noisy, 2)

    async def both() -> list[np.ndarray]:
        return await asyncio.gather(*(played(half, AudioaeFilter(batch=batch)) for half in halves))

    for half, made in zip(halves, asyncio.run(both()), strict=True):
        assert len(made) > len(half) - 1000
        assert np.abs(made.astype(int) - expected(half)[: len(made)]).max() <= 1


def test_another_rate_than_the_batchs_is_refused() -> None:
    with pytest.raises(audioae.InputError, match="make a Batch for each rate"):
        asyncio.run(AudioaeFilter(batch=Batch("conv_dae", 8000)).start(RATE))
