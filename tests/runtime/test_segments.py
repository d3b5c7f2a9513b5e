"""A recording cleaned in segments has the result of the whole."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import audioae
from audioae.audio.files import Reader
from audioae.audio.writer import Writer
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions
from audioae.runtime.segments import AheadStreamer, SegmentStreamer, in_background


def speech(rate: int, seconds: float, channels: int) -> torch.Tensor:
    """Real noisy speech, whose level changes and that is silent at times."""
    from audioae.signal.resample import resample

    parts = []
    for name in ("16k-fire", "16k-waves", "16k-rooster", "16k-rain"):
        wave, own = soundfile.read(f"samples/noisy/{name}.flac", dtype="float32")
        parts += [resample(wave, own, rate), np.zeros(rate, np.float32)]
    whole = np.tile(np.concatenate(parts), 100)[: int(seconds * rate)] * np.linspace(0.1, 1, int(seconds * rate))
    return torch.from_numpy(np.stack([np.roll(whole, 50 * c) for c in range(channels)]).astype(np.float32))[None]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("name", "rate", "channels", "batch"),
    [("conv_dae_offline", 8000, 2, 1), ("conv1d_dae", 11025, 1, 1), ("conv1d_dae", 8000, 2, 3)],
)
def test_segments_equal_the_whole(name: str, rate: int, channels: int, batch: int) -> None:
    denoiser = audioae.load(name)
    wave = speech(rate, 85.3, channels)
    whole = audioae.Streamer(denoiser, rate, atten_limit=30)
    expected = torch.cat([whole.feed_wave(wave), whole.flush_wave()], -1)
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(0, np.log(9 * rate), 200)).astype(int).tolist()
    with SegmentStreamer(audioae.Streamer(denoiser, rate, atten_limit=30), workers=2, seconds=8, batch=batch) as cut:
        made, at = [], 0
        for size in [*sizes, wave.shape[-1]]:
            made.append(cut.feed_wave(wave[..., at : at + size]))
            at += size
        made.append(cut.flush_wave())
    joined = torch.cat(made, -1)
    assert sum(part.shape[-1] > 0 for part in made) > (2 if batch == 1 else 0)  # results are returned before the end
    assert joined.shape == expected.shape and (joined - expected).abs().max() < 1e-5


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("extra", [-1, 0, 1, 700])
def test_lengths_around_a_segment_border(extra: int) -> None:
    denoiser = audioae.load("conv1d_dae")
    rate = 8000
    cut = SegmentStreamer(audioae.Streamer(denoiser, rate), workers=2, seconds=8)
    wave = speech(rate, 20, 1)[..., : 2 * cut.length + cut.streamer.delay + extra]
    whole = audioae.Streamer(denoiser, rate)
    expected = torch.cat([whole.feed_wave(wave), whole.flush_wave()], -1)
    with cut:
        made = torch.cat([cut.feed_wave(wave), cut.flush_wave()], -1)
    assert made.shape == wave.shape and (made - expected).abs().max() < 1e-5


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("sizes", [(70_000,), (100, 30_000, 1, 39_899), (5,)])
def test_a_stream_in_its_own_thread_gives_the_same_result(sizes: tuple[int, ...]) -> None:
    denoiser = audioae.load("conv1d_dae")
    wave = speech(8000, sum(sizes) / 8000, 2)
    whole = audioae.Streamer(denoiser, 8000)
    expected = torch.cat([whole.feed_wave(wave), whole.flush_wave()], -1)
    with AheadStreamer(audioae.Streamer(denoiser, 8000)) as ahead:
        made = torch.cat([*[ahead.feed_wave(part) for part in wave.split(sizes, -1)], ahead.flush_wave()], -1)
    assert made.shape == wave.shape and (made - expected).abs().max() < 1e-5


@pytest.mark.parametrize("make", [partial(SegmentStreamer, workers=2, seconds=8), AheadStreamer])
def test_an_empty_recording_gives_an_empty_result(make: Callable[[audioae.Streamer], Any]) -> None:
    with make(audioae.Streamer(audioae.load("conv1d_dae"), 8000)) as cut:
        assert cut.feed_wave(torch.zeros(1, 2, 0)).shape == cut.flush_wave().shape == (1, 2, 0)


def test_segments_are_used_only_if_faster() -> None:
    rate = 16000
    finite, endless = (audioae.Streamer(audioae.load(name), rate) for name in ("conv_dae", "crn_dae"))
    assert isinstance(in_background(finite, 2, 600 * rate, 1), SegmentStreamer)
    for streamer, workers, seconds, channels in (
        (finite, 1, 600, 1),
        (finite, 2, 20, 1),
        (finite, 2, 0, 1),  # a length that the header does not state
        (finite, 2, 600, 64),  # segments that memory allows would be too short
        (endless, 2, 600, 1),
    ):
        assert isinstance(in_background(streamer, workers, seconds * rate, channels), AheadStreamer)


@pytest.mark.usefixtures("root")
def test_files(tmp_path: Path) -> None:
    rate = 8000
    soundfile.write(tmp_path / "long.wav", speech(rate, 150, 2)[0].T.numpy(), rate, subtype="FLOAT")
    denoiser = audioae.load("conv1d_dae")
    made = {}
    for workers in (1, 3):
        target, removed = tmp_path / f"{workers}.wav", tmp_path / f"{workers}-removed.wav"
        report = denoise_file(denoiser, tmp_path / "long.wav", target, DenoiseOptions(workers=workers), removed)
        assert report.seconds == 150
        made[workers] = [soundfile.read(path)[0] for path in (target, removed)]
    for one, three in zip(made[1], made[3], strict=True):
        assert one.shape == three.shape and np.abs(one - three).max() < 1e-5


@pytest.mark.usefixtures("root")
def test_reading_cleaning_and_writing_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = 8000
    soundfile.write(tmp_path / "in.wav", speech(rate, 28, 1)[0].T.numpy(), rate)
    seen = {(name, n): threading.Event() for name in ("read", "feed_wave", "write") for n in range(100)}

    def watched(owner: type, name: str, waits: dict[int, tuple[str, int]]) -> None:
        method, calls = getattr(owner, name), iter(range(100))

        def wrapper(*arguments: Any) -> Any:
            number = next(calls)
            if number in waits:
                assert seen[waits[number]].wait(60), f"{name} {number} and {waits[number]} do not overlap"
            result = method(*arguments)
            seen[name, number].set()
            return result

        monkeypatch.setattr(owner, name, wrapper)

    # Each would wait forever without overlap: the first block is cleaned when the third has been read, the first is
    # written when the second has been cleaned, and the fourth is cleaned when the second has been written.
    watched(Reader, "read", {})
    watched(audioae.Streamer, "feed_wave", {0: ("read", 2), 3: ("write", 1)})
    watched(Writer, "write", {0: ("feed_wave", 1)})
    report = denoise_file(audioae.load("conv1d_dae"), tmp_path / "in.wav", tmp_path / "out.wav")
    assert report.seconds == 28 and soundfile.info(tmp_path / "out.wav").frames == 28 * rate
    assert seen["feed_wave", 6].is_set() and seen["write", 6].is_set()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("make", [partial(SegmentStreamer, workers=2, seconds=8), AheadStreamer])
def test_an_error_in_a_thread_is_raised(make: Callable[[audioae.Streamer], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    denoiser = audioae.load("conv1d_dae")
    wave = speech(8000, 40, 1)
    with make(audioae.Streamer(denoiser, 8000)) as cut:
        monkeypatch.setattr(denoiser.network, "forward", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cut.feed_wave(wave)
            cut.flush_wave()
