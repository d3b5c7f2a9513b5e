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


def test_every_frame_keeps_its_size_and_comes_later_by_the_latency(noisy: np.ndarray) -> None:
    processor = AudioaeFrameProcessor(atten_limit=15)
    made = [processor._process(frame) for frame in frames(noisy)]
    assert {each.samples_per_channel for each in made} == {FRAME}
    joined, late = np.concatenate([np.asarray(each.data) for each in made]), processor.latency_samples
    assert late == audioae.Streamer("conv_dae", RATE).latency_samples and not joined[:late].any()
    clean = audioae.denoise(noisy, RATE, "conv_dae", atten_limit=15)
    assert np.abs(joined[late:].astype(int) - clean[:-late]).max() <= 1


def test_off_passes_frames_and_on_begins_anew(noisy: np.ndarray) -> None:
    processor = AudioaeFrameProcessor()
    first, second, *_ = frames(np.stack([noisy, noisy], 1), 2)
    begun = np.asarray(processor._process(first).data)
    processor.enabled = False
    assert processor._process(second) is second
    processor.enabled = True
    assert np.array_equal(processor._process(first).data, begun)
    processor._close()


class Recorder(AudioaeFrameProcessor):
    """Keeps what goes in and what comes out, for a second: a track that waits for frames sends silence.

    Then it is off, because a stream that gets frames faster than it processes them would never return to the event loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before: list[np.ndarray] = []
        self.after: list[np.ndarray] = []

    def _process(self, frame: "rtc.AudioFrame") -> "rtc.AudioFrame":
        made = super()._process(frame)
        self.before.append(np.array(frame.data))
        self.after.append(np.array(made.data))
        self.enabled = sum(map(len, self.after)) < RATE
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
