"""The frame processor in an audio stream of LiveKit, with a file as the microphone."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile

import audioae

pytest.importorskip("livekit.rtc", reason="livekit is not installed: pip install 'audioae[livekit]'")

from livekit import rtc

from audioae.integrations.livekit import AudioaeFrameProcessor

RATE = 16000
FRAME = RATE // 100
SAMPLES = Path(__file__).parent.parent.parent / "samples"


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    return soundfile.read(SAMPLES / "noisy/16k-fire.flac", dtype="int16")[0][:RATE]


def frames(samples: np.ndarray, channels: int = 1) -> list["rtc.AudioFrame"]:
    return [
        rtc.AudioFrame(samples[at : at + FRAME].tobytes(), RATE, channels, FRAME) for at in range(0, len(samples), FRAME)
    ]


def test_every_frame_keeps_its_size_and_is_delayed_by_the_latency(noisy: np.ndarray) -> None:
    processor = AudioaeFrameProcessor(atten_limit=15)
    made = [processor._process(frame) for frame in frames(noisy)]
    assert {each.samples_per_channel for each in made} == {FRAME}
    joined, late = np.concatenate([np.asarray(each.data) for each in made]), processor.latency_samples
    assert late == audioae.Streamer("conv_dae", RATE).latency_samples and not joined[:late].any()
    clean = audioae.denoise(noisy, RATE, "conv_dae", atten_limit=15)
    assert np.abs(joined[late:].astype(int) - clean[:-late]).max() <= 1


def test_off_and_on_crossfade_and_keep_the_latency(noisy: np.ndarray) -> None:
    processor, parts, switches = AudioaeFrameProcessor(atten_limit=15), [], {30: False, 60: True}
    for number, frame in enumerate(frames(np.stack([noisy, noisy], 1), 2)):
        processor.enabled = switches.get(number, processor.enabled)
        parts.append(np.asarray(processor._process(frame).data).reshape(-1, 2)[:, 0])
    made, late = np.concatenate(parts)[processor.latency_samples :].astype(int), processor.latency_samples
    clean, off, on = audioae.denoise(noisy, RATE, "conv_dae", atten_limit=15), 30 * FRAME, 60 * FRAME
    hop = audioae.Streamer("conv_dae", RATE).hop
    assert np.abs(made[:off] - clean[:off]).max() <= 1
    assert np.array_equal(made[off + hop : on], noisy[off + hop : on])
    assert np.abs(made[on + hop :] - clean[on + hop : -late]).max() <= 1
    processor._close()


def test_a_processor_that_is_off_from_the_beginning_only_delays(noisy: np.ndarray) -> None:
    processor = AudioaeFrameProcessor()
    processor.enabled = False
    made = np.concatenate([np.asarray(processor._process(frame).data) for frame in frames(noisy)])
    assert not processor.enabled
    assert np.array_equal(made[processor.latency_samples :], noisy[: -processor.latency_samples])


class Recorder(AudioaeFrameProcessor):
    """Records the input and output of one second: a track that waits for frames sends silence.

    Then frames pass, because a stream that gets frames faster than it processes them would never return to the event loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before: list[np.ndarray] = []
        self.after: list[np.ndarray] = []

    def _process(self, frame: "rtc.AudioFrame") -> "rtc.AudioFrame":
        if sum(map(len, self.after)) >= RATE:
            return frame
        made = super()._process(frame)
        self.before.append(np.array(frame.data))
        self.after.append(np.array(made.data))
        return made


def test_a_track_is_cleaned_on_its_way(noisy: np.ndarray) -> None:
    async def listen(processor: Recorder) -> np.ndarray:
        source = rtc.AudioSource(RATE, 1, queue_size_ms=2000)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1, noise_cancellation=processor)
        parts: list[np.ndarray] = []

        async def hear() -> None:
            async for event in stream:
                parts.append(np.array(event.frame.data))
                if sum(map(len, parts)) >= len(noisy):
                    return

        hearing = asyncio.create_task(hear())
        for frame in frames(noisy):
            await source.capture_frame(frame)
        await hearing
        await source.aclose()
        await stream.aclose()
        return np.concatenate(parts)

    processor = Recorder()
    heard = asyncio.run(listen(processor))
    before, after, late = np.concatenate(processor.before), np.concatenate(processor.after), processor.latency_samples
    assert np.abs(before).max() > 1000  # the recording came through the track
    assert np.array_equal(heard[: len(after)], after)
    clean = audioae.denoise(before, RATE, "conv_dae")
    assert np.abs(after[late:].astype(int) - clean[:-late]).max() <= 1
