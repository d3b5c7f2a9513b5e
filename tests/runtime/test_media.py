"""Media files, written and read back by PyAV: the sound is cleaned at its time, and everything else is copied."""

import json
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import scipy.signal
import soundfile
from click.testing import CliRunner
from numpy.typing import NDArray

import audioae
from audioae.audio.media.reader import MediaReader
from audioae.cli.app import main
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import InputError, MissingExtraError, OutputError
from audioae.nn.trained import StreamingModel
from audioae.runtime.files import Report, denoise_file
from audioae.runtime.jobs import DenoiseOptions

Wave = NDArray[np.float32]
RATE = 48_000
SECONDS = 2.0
DRY = DenoiseOptions(mix=0.0)
"""The result is the recording itself, so that its time can be measured."""


def bursts(seconds: float = SECONDS, rate: int = RATE, seed: int = 0) -> Wave:
    """Short noises at irregular times, in faint noise, so that the correlation has one peak."""
    random = np.random.default_rng(seed)
    wave = random.normal(0, 0.002, int(seconds * rate))
    for at in np.cumsum(random.uniform(0.08, 0.2, int(seconds / 0.14))):
        start, size = int(at * rate), int(0.02 * rate)
        piece = wave[start : start + size]
        piece += random.normal(0, 0.2, len(piece)) * np.hanning(size)[: len(piece)]
    return wave.astype(np.float32)


class Maker:
    """Writes a media file."""

    def __init__(self, path: Path, form: str | None = None, **options: str) -> None:
        self.container = av.open(str(path), "w", format=form, container_options=options)
        self.packets: list[Any] = []
        self.jobs: list[Callable[[], Any]] = []

    def video(self, codec: str = "libx264", seconds: float = SECONDS, **metadata: str) -> "Maker":
        stream = self.container.add_stream(codec, rate=25, width=64, height=48)
        stream.pix_fmt = "yuv420p"
        stream.metadata.update(metadata)

        def encode() -> None:
            random = np.random.default_rng(1)
            for number in range(int(seconds * 25)):
                picture = random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                self.packets += stream.encode(frame)
            self.packets += stream.encode(None)

        self.jobs.append(encode)
        return self

    def sound(
        self, codec: str = "aac", wave: Wave | None = None, rate: int = RATE, start: float = 0.0, bits: int = 96_000,
        layout: str = "stereo", pauses: dict[float, float] | None = None, disposition: int = 0, **metadata: str,
    ) -> "Maker":  # fmt: skip
        """``pauses``: seconds that the timestamps leave out, by the time of the sound after which they come."""
        stream = self.container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = bits
        stream.metadata.update(metadata)
        stream.disposition = disposition
        wave = bursts(rate=rate) if wave is None else wave
        both = np.repeat(wave[None], stream.layout.nb_channels, 0)

        def encode() -> None:
            size = stream.frame_size or 1024
            for at in range(0, len(wave), size):
                later = sum(seconds for after, seconds in (pauses or {}).items() if at / rate >= after)
                frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(both[:, at : at + size]), "fltp", layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = round((start + later) * rate) + at
                self.packets += stream.encode(frame)
            self.packets += stream.encode(None)

        self.jobs.append(encode)
        return self

    def subtitles(self, codec: str) -> "Maker":
        stream = self.container.add_stream(codec)
        stream.codec_context.subtitle_header = ASS
        stream.time_base = Fraction(1, 1000)

        def encode() -> None:
            for number, text in enumerate((b"\0\5Hello", b"\0\5World")):
                packet = av.Packet(text if codec == "mov_text" else text[2:])
                packet.stream, packet.time_base = stream, Fraction(1, 1000)
                packet.pts = packet.dts = 100 + 900 * number
                packet.duration = 500
                self.packets.append(packet)

        self.jobs.append(encode)
        return self

    def close(self) -> None:
        self.container.start_encoding()
        for encode in self.jobs:
            encode()
        for packet in sorted(self.packets, key=lambda each: each.dts * each.time_base):
            self.container.mux(packet)
        self.container.close()


ASS = b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name\r\n\r\n[Events]\r\nFormat: Text\r\n"


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames of a track; damaged packets are left out."""
    for packet in container.demux(stream):
        with suppress(av.FFmpegError):
            yield from packet.decode()


def heard(path: Path, track: int = 0) -> tuple[Wave, int, float]:
    """First channel of a sound track, its rate, and the time of its first sample; silence where no frame has a time."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        parts: list[Wave] = []
        begin, count = None, 0
        for frame in decoded(container, stream):
            data = frame.to_ndarray()
            data = data[0] if frame.format.is_planar else data.reshape(-1, frame.layout.nb_channels)[:, 0]
            if data.dtype.kind == "i":
                data = data / 2.0 ** (8 * data.itemsize - 1)
            time = float(frame.pts * frame.time_base) if frame.pts is not None else None
            begin = time if begin is None else begin
            if time is not None and (gap := round((time - begin) * frame.sample_rate) - count) > 0.02 * frame.sample_rate:
                parts.append(np.zeros(gap, np.float32))
                count += gap
            parts.append(data.astype(np.float32))
            count += len(data)
        return np.concatenate(parts), stream.rate, begin or 0.0


def lag(before: Path, after: Path, track: int = 0) -> float:
    """Seconds by which the sound comes later in a copy."""
    one, rate, start = heard(before, track)
    other, rate_after, start_after = heard(after, track)
    if rate_after != rate:
        other = scipy.signal.resample_poly(other, rate, rate_after).astype(np.float32)
    match = scipy.signal.correlate(other, one, "full", "fft")
    return (int(match.argmax()) - (len(one) - 1)) / rate + start_after - start


def tracks(path: Path) -> list[dict[str, Any]]:
    """Everything in a file but the packets of its sound, read by PyAV's demuxer."""
    with av.open(str(path)) as container:
        found = []
        for stream in container.streams:
            kind = {"type": stream.type, "language": stream.metadata.get("language"), "disposition": int(stream.disposition)}
            found.append({**kind, "crc": 0, "packets": 0, "times": []})
        for packet in container.demux():
            if packet.size:
                one = found[packet.stream_index]
                one["crc"], one["packets"] = zlib.crc32(bytes(packet), one["crc"]), one["packets"] + 1
                one["times"].append(packet.pts and round(float(packet.pts * packet.time_base), 4))
        return found


def copied(path: Path, kinds: str = "video subtitle") -> list[dict[str, Any]]:
    return [each for each in tracks(path) if each["type"] in kinds.split()]


def duration(path: Path) -> float:
    with av.open(str(path)) as container:
        return container.duration / 1e6


def sound_kbit(path: Path) -> float:
    """Bit rate of the sound of a file of ``SECONDS``."""
    with av.open(str(path)) as container:
        return sum(packet.size for packet in container.demux(audio=0)) * 8 / 1000 / SECONDS


def metadata(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}


@pytest.fixture(scope="module")
def quick() -> StreamingModel:
    """The fastest model."""
    model = audioae.load("conv1d_dae")
    assert isinstance(model, Denoiser)
    return model


@pytest.fixture
def copy(quick: StreamingModel) -> Callable[..., Report]:
    """Writes a copy of a recording, by the engine that cleans."""

    def run(source: Path, target: Path, **options: Any) -> Report:
        return denoise_file(quick, source, target, DenoiseOptions(mix=0.0, **options))

    return run


KINDS = [
    ("a.mp4", None, "aac", "libx264"), ("a.mov", None, "pcm_s16le", "mpeg4"), ("a.mov", None, "aac", "libx264"),
    ("a.mkv", None, "aac", "libx264"), ("a.mkv", None, "flac", "mpeg4"), ("a.mkv", None, "libopus", "libx264"),
    ("a.mkv", None, "libmp3lame", "mpeg4"), ("a.mkv", None, "ac3", "mpeg4"), ("a.webm", None, "libopus", "libvpx"),
    ("a.avi", None, "libmp3lame", "mpeg4"), ("a.avi", None, "pcm_s16le", "mpeg4"), ("a.flv", None, "aac", "flv"),
    ("a.ts", "mpegts", "aac", "libx264"), ("a.ts", "mpegts", "mp2", "mpeg2video"), ("a.wmv", "asf", "wmav2", "mpeg4"),
    ("a.m4a", "mp4", "aac", None), ("a.m4a", "mp4", "alac", None), ("a.mka", "matroska", "libopus", None),
    ("a.weba", "webm", "libopus", None), ("a.aac", "adts", "aac", None), ("a.wma", "asf", "wmav2", None),
    ("a.ac3", "ac3", "ac3", None), ("a.3gp", None, "aac", "mpeg4"),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0][2:]}-{kind[2]}")
def test_pictures_stay_byte_for_byte_and_the_sound_at_its_time(
    copy: Callable[..., Report], tmp_path: Path, kind: tuple[str, str | None, str, str | None]
) -> None:
    name, form, codec, pictures = kind
    source, target = tmp_path / name, tmp_path / f"b{name[1:]}"
    maker = Maker(source, form)
    if pictures:
        maker.video(pictures)
    maker.sound(codec).close()
    report = copy(source, target)
    shift = 0.0
    assert abs(len(heard(target)[0]) - len(heard(source)[0])) <= 2400
    for before, after in zip(copied(source), copied(target), strict=True):
        assert before["packets"] and (before["crc"], before["packets"]) == (after["crc"], after["packets"])
        shift = after["times"][0] - before["times"][0]
        assert np.allclose(np.add(before["times"], shift), after["times"], atol=0.002)
    assert shift == 0 or any("all tracks come" in note for note in report.notes)
    assert abs(lag(source, target) - shift) < 0.001
    assert abs(duration(target) - duration(source)) < 0.05
    assert report.seconds == pytest.approx(SECONDS, abs=0.1)
    with av.open(str(source)) as one, av.open(str(target)) as other:
        assert one.format.name == other.format.name
        sounds = [each.streams.audio[0] for each in (one, other)]
        assert len({(each.codec_context.name, each.rate, each.layout.name) for each in sounds}) == 1


def test_the_sound_is_cleaned(denoiser: Denoiser, samples: Path, tmp_path: Path) -> None:
    noisy, rate = soundfile.read(samples / "noisy/16k-fire.flac", dtype="float32")
    clean, _ = soundfile.read(samples / "clean/16k-fire.flac", dtype="float32")
    Maker(tmp_path / "a.mkv").video().sound("flac", noisy[: 3 * rate], rate, layout="mono").close()
    denoise_file(denoiser, tmp_path / "a.mkv", tmp_path / "b.mkv")
    result = heard(tmp_path / "b.mkv")[0]
    assert np.allclose(result, audioae.denoise(noisy[: 3 * rate], rate, denoiser), atol=2**-14)
    before, after = (np.square(each - clean[: len(each)]).mean() for each in (noisy[: 3 * rate], result))
    assert after < before / 4


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_track_that_starts_late_stays_late(copy: Callable[..., Report], tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    Maker(source).video().sound(start=0.73).close()
    for number in range(2):  # repeated: the shift does not accumulate
        target = tmp_path / f"{number}{source.suffix}"
        copy(source, target)
        assert abs(lag(source, target)) < 0.001
        assert 0.70 <= heard(target)[2] <= 0.74
        source = target
    assert abs(duration(source) - duration(tmp_path / name)) < 0.005


@pytest.mark.parametrize("pause", [0.3, 1.7, 4000.0])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_gaps_in_the_timestamps_stay(copy: Callable[..., Report], tmp_path: Path, name: str, pause: float) -> None:
    source, target = tmp_path / name, tmp_path / f"b{name[1:]}"
    Maker(source).video().sound("flac", pauses={1.0: pause}).close()
    report = copy(source, target)
    assert any("gap" in note for note in report.notes)
    one, rate, _ = heard(source)
    other, _, _ = heard(target)
    assert abs(len(one) - len(other)) <= 0.1 * rate
    ends = [np.flatnonzero(np.abs(wave) > 0.05)[[0, -1]] / rate for wave in (one, other)]
    assert np.allclose(ends[0], ends[1], atol=0.001)
    assert source.stat().st_size * 2 > target.stat().st_size


def test_everything_around_the_sound_stays_in_matroska(copy: Callable[..., Report], tmp_path: Path) -> None:
    source, target = tmp_path / "a.mkv", tmp_path / "b.mkv"
    maker = Maker(source).video(language="fra", title="Film").sound("aac", language="eng").sound("libopus", language="deu")
    maker.subtitles("subrip")
    maker.container.add_attachment("font.ttf", "font/ttf", b"font" * 100)
    maker.container.set_chapters([
        {"id": 1, "start": 0, "end": 900, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
        {"id": 2, "start": 900, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {"title": "Two"}},
    ])  # fmt: skip
    maker.container.metadata.update({"title": "Talk", "ARTIST": "Someone", "odd": "kept"})
    maker.close()
    report = copy(source, target)
    assert any("track 1 of 2 sound tracks" in note for note in report.notes)
    before, after = tracks(source), tracks(target)
    assert [(e["type"], e["language"], e["disposition"]) for e in before] == [
        (e["type"], e["language"], e["disposition"]) for e in after
    ]
    sounds = [index for index, each in enumerate(before) if each["type"] == "audio"]
    same = [one["crc"] == other["crc"] for one, other in zip(before, after, strict=True)]
    assert same == [index != sounds[0] for index in range(len(before))]
    with av.open(str(source)) as one, av.open(str(target)) as other:
        assert one.chapters() == other.chapters()
        assert one.streams.attachments[0].data == other.streams.attachments[0].data
    kept = metadata(target)
    assert (kept["title"], kept["artist"], kept["odd"]) == ("Talk", "Someone", "kept")
    copy(source, tmp_path / "c.mkv", track=2)
    third = tracks(tmp_path / "c.mkv")
    same = [one["crc"] == other["crc"] for one, other in zip(before, third, strict=True)]
    assert same == [index != sounds[1] for index in range(len(before))]
    with pytest.raises(InputError, match=r"a\.mkv: has 2 sound track\(s\): there is no --track 3"):
        copy(source, tmp_path / "d.mkv", track=3)


def test_everything_around_the_sound_stays_in_mp4(copy: Callable[..., Report], tmp_path: Path) -> None:
    source, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    maker = Maker(source, movflags="+faststart").video(language="fra").sound(language="eng").subtitles("mov_text")
    maker.container.set_chapters([
        {"id": 0, "start": 0, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {"title": "One"}},
    ])  # fmt: skip
    maker.container.metadata.update({"title": "Talk", "artist": "Someone"})
    maker.close()
    report = copy(source, target)
    assert not report.notes
    assert copied(source) == copied(target)
    with av.open(str(source)) as one, av.open(str(target)) as other:
        titles = [[each["metadata"]["title"] for each in container.chapters()] for container in (one, other)]
        assert titles == [["One"], ["One"]]
    assert (metadata(target)["title"], metadata(target)["artist"]) == ("Talk", "Someone")
    assert target.read_bytes().index(b"moov") < target.read_bytes().index(b"mdat")


@pytest.mark.parametrize("name", ["a.m4a", "a.mka"])
def test_a_cover_stays(copy: Callable[..., Report], tmp_path: Path, name: str) -> None:
    source, target = tmp_path / name, tmp_path / f"b{name[1:]}"
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, "yuvj420p", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 99, np.uint8), format="rgb24").reformat(format="yuvj420p")
    picture = bytes(encoder.encode(frame)[0])
    maker = Maker(source, "mp4" if name == "a.m4a" else None)
    if name == "a.m4a":
        cover = maker.container.add_stream("mjpeg", width=64, height=48)
        cover.pix_fmt, cover.disposition = "yuvj420p", 1 << 10
        packet = av.Packet(picture)
        packet.stream, packet.pts, packet.dts, packet.time_base = cover, 0, 0, Fraction(1, 25)
        maker.packets.append(packet)
    else:
        maker.container.add_attachment("cover.jpg", "image/jpeg", picture)
    maker.sound().close()
    copy(source, target)
    with av.open(str(target)) as container:
        (stream,) = container.streams.video
        assert int(stream.disposition) & 1 << 10
        assert bytes(next(packet for packet in container.demux(stream) if packet.size)) == picture
    assert abs(lag(source, target)) < 0.001


def test_bit_rate_and_codec(copy: Callable[..., Report], tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)

    def kbit(path: Path) -> float:
        with av.open(str(path)) as container:
            return sum(packet.size for packet in container.demux(audio=0)) * 8 / 4000

    Maker(tmp_path / "a.m4a", "mp4").sound("aac", wave, bits=128_000).close()
    copy(tmp_path / "a.m4a", tmp_path / "same.m4a")
    assert kbit(tmp_path / "same.m4a") == pytest.approx(kbit(tmp_path / "a.m4a"), rel=0.1)
    copy(tmp_path / "a.m4a", tmp_path / "less.m4a", bitrate=64_000)
    assert kbit(tmp_path / "less.m4a") == pytest.approx(64, rel=0.1)
    copy(tmp_path / "a.m4a", tmp_path / "other.mka", codec="opus", bitrate=96_000)
    assert kbit(tmp_path / "other.mka") == pytest.approx(96, rel=0.15)
    with av.open(str(tmp_path / "other.mka")) as container:
        assert container.streams.audio[0].codec_context.name == "opus"
    assert abs(lag(tmp_path / "a.m4a", tmp_path / "other.mka")) < 0.001
    for options, message in (
        ({"codec": "nonsense"}, "mp4 cannot be written with the codec 'nonsense': choose another --codec"),
        ({"bitrate": 2_000_000}, "aac of 2 channels at 48000 Hz has 8 to 576 kbit/s, not 2000"),
    ):
        with pytest.raises(OutputError, match=message):
            copy(tmp_path / "a.m4a", tmp_path / "x.m4a", **options)
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    with pytest.raises(OutputError, match=r"x\.wav: --codec is for media files"):
        copy(tmp_path / "a.wav", tmp_path / "x.wav", codec="opus")
    assert not list(tmp_path.glob("x.*")) and not list(tmp_path.glob(".audioae*"))


def test_a_codec_without_encoder_is_replaced_and_named(copy: Callable[..., Report], tmp_path: Path) -> None:
    Maker(tmp_path / "a.mka").sound("wmav1", rate=44100, wave=bursts(rate=44100)).close()
    Maker(tmp_path / "b.webm").sound("libopus").close()
    report = copy(tmp_path / "a.mka", tmp_path / "a.webm")
    assert any("wmav1 cannot be written: the sound of the result is opus" in note for note in report.notes)
    assert any("opus does not support 44100 Hz: the sound of the result has 48000 Hz" in note for note in report.notes)
    assert abs(lag(tmp_path / "a.mka", tmp_path / "a.webm")) < 0.001


def test_from_media_to_plain_and_back(copy: Callable[..., Report], tmp_path: Path) -> None:
    maker = Maker(tmp_path / "a.mp4").video().sound("aac", start=0.0)
    maker.container.metadata["title"] = "Talk"
    maker.close()
    report = copy(tmp_path / "a.mp4", tmp_path / "a.flac")
    assert report.notes == ["FLAC has no place for the video: left out"]
    wave, rate = soundfile.read(tmp_path / "a.flac", dtype="float32")
    assert np.allclose(wave[:, 0], heard(tmp_path / "a.mp4")[0][: len(wave)], atol=1e-4)
    with soundfile.SoundFile(tmp_path / "a.flac") as file:
        assert file.title == "Talk" and rate == RATE
    copy(tmp_path / "a.flac", tmp_path / "b.m4a")
    assert abs(lag(tmp_path / "a.mp4", tmp_path / "b.m4a")) < 0.001
    assert metadata(tmp_path / "b.m4a")["title"] == "Talk"


def test_what_was_removed_and_the_result_sum_to_a_lossless_recording(quick: StreamingModel, tmp_path: Path) -> None:
    Maker(tmp_path / "a.mkv").video().sound("flac").close()
    denoise_file(quick, tmp_path / "a.mkv", tmp_path / "b.mkv", removed=tmp_path / "removed.wav")
    noisy, clean = heard(tmp_path / "a.mkv")[0], heard(tmp_path / "b.mkv")[0]
    removed, _ = soundfile.read(tmp_path / "removed.wav", dtype="float32")
    assert np.array_equal(clean + removed[:, 0], noisy)


def test_unusable_files_are_named(copy: Callable[..., Report], tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    Maker(tmp_path / "mute.mp4").video().close()
    Maker(tmp_path / "whole.mkv").video(seconds=5).sound("libopus", bursts(5)).close()
    Maker(tmp_path / "end.mp4").video().sound().close()
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "half.mkv").write_bytes(data[: len(data) // 2])
    (tmp_path / "end.mp4").write_bytes((tmp_path / "end.mp4").read_bytes()[:-2000])
    (tmp_path / "text.mp4").write_text("no media file")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nwhole.mkv\n#EXT-X-ENDLIST\n")
    for name, message in (
        ("mute.mp4", "has no sound track"),
        ("half.mkv", r"ends after .* s of 5\.0 s: is it truncated\? \(--salvage keeps what can be read\)"),
        ("end.mp4", "not a media file that PyAV reads"),
        ("text.mp4", "not a media file that PyAV reads"),
        ("list.mp4", "not a media file that PyAV reads"),
        ("empty.mp4", "the file is empty"),
        ("missing.mp4", "there is no such file"),
    ):
        with pytest.raises(InputError, match=rf"{name}: {message}"):
            copy(tmp_path / name, target)
    report = copy(tmp_path / "half.mkv", tmp_path / "half-out.mkv", salvage=True)
    assert "ends after" in report.broken and 1 < report.seconds < 4
    assert abs(lag(tmp_path / "half.mkv", tmp_path / "half-out.mkv")) < 0.001
    assert not target.exists() and not list(tmp_path.glob(".audioae*"))


@pytest.mark.parametrize("name", ["a.mp4", "a.m4a", "a.mov", "a.tta", "a.mkv", "a.ts"])
def test_concatenated_recordings_are_named(copy: Callable[..., Report], tmp_path: Path, name: str) -> None:
    """FFmpeg reads the first only, or the timestamps go back."""
    Maker(tmp_path / name).sound("tta" if name == "a.tta" else "aac", bursts()).close()
    one = (tmp_path / name).read_bytes()
    joined = tmp_path / f"joined{Path(name).suffix}"
    joined.write_bytes(one + one + one)
    assert copy(tmp_path / name, tmp_path / "whole.wav").notes == []
    with pytest.raises(InputError, match=r"3 concatenated recordings.*--salvage|timestamps go back"):
        copy(joined, tmp_path / "out.wav")
    assert not (tmp_path / "out.wav").exists()
    if name not in ("a.mkv", "a.ts"):
        report = copy(joined, tmp_path / "out.wav", salvage=True)
        assert "only the first is read" in report.broken and abs(report.seconds - SECONDS) < 0.1
        with open(joined, "rb") as stream, MediaReader(Path("-"), stream, salvage=True) as reader:
            assert sum(map(len, reader.blocks(4096))) > 0.9 * SECONDS * RATE


def test_an_overlap_of_timestamps_is_noted(copy: Callable[..., Report], tmp_path: Path) -> None:
    Maker(tmp_path / "a.mkv").sound("aac", bursts(0.5)).close()
    one = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "b.mkv").write_bytes(one + one)
    report = copy(tmp_path / "b.mkv", tmp_path / "out.wav")
    assert any("overlap with the sound before" in note for note in report.notes)


def test_damage_in_the_middle(copy: Callable[..., Report], tmp_path: Path) -> None:
    Maker(tmp_path / "a.m4a", "mp4").sound("aac", bursts(4)).close()
    with av.open(str(tmp_path / "a.m4a")) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size]
    data = bytearray((tmp_path / "a.m4a").read_bytes())
    for place, size in places[90:100]:
        data[place : place + size] = b"\xff" * size
    (tmp_path / "a.m4a").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.m4a: damaged after .* s"):
        copy(tmp_path / "a.m4a", tmp_path / "b.m4a")
    report = copy(tmp_path / "a.m4a", tmp_path / "b.m4a", salvage=True)
    assert "damaged after" in report.broken
    one, other = heard(tmp_path / "a.m4a")[0], heard(tmp_path / "b.m4a")[0]
    assert abs(len(one) - len(other)) < 4096 and abs(lag(tmp_path / "a.m4a", tmp_path / "b.m4a")) < 0.001


def test_a_full_disk_leaves_nothing(copy: Callable[..., Report], tmp_path: Path, small_disk: Callable[[int], Any]) -> None:
    Maker(tmp_path / "a.mkv").video().sound("flac").close()
    with small_disk(50_000), pytest.raises(OutputError, match=r"b\.mkv: cannot write"):
        copy(tmp_path / "a.mkv", tmp_path / "b.mkv")
    assert [each.name for each in tmp_path.iterdir()] == ["a.mkv"]


def test_folders_resume_report_and_journal(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    Maker(folder / "a.mp4").video().sound().close()
    Maker(folder / "deep/b.mka").sound("libopus").close()
    soundfile.write(folder / "c.wav", bursts(), RATE)
    (folder / "program.ts").write_text("let x = 1")
    arguments = ["denoise", str(folder), "-o", str(out), "--recursive", "--resume", "-m", "conv1d_dae"]
    made = CliRunner().invoke(main, [*arguments, "--report", str(tmp_path / "r.json")])
    assert made.exit_code == 0, made.output
    assert sorted(str(each.relative_to(out)) for each in out.rglob("*.*") if each.suffix) == [
        ".audioae.jsonl", "a.mp4", "c.wav", "deep/b.mka",
    ]  # fmt: skip
    report = json.loads((tmp_path / "r.json").read_text())
    assert sorted(Path(row["input"]).name for row in report) == ["a.mp4", "b.mka", "c.wav"]
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 0 and "3 of 3 recordings are already done and unchanged" in again.output
    other = CliRunner().invoke(main, [*arguments, "--codec", "aac"])
    assert "3 of 3" not in other.output


def test_without_the_extra_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Maker(tmp_path / "a.mp4").sound().close()
    soundfile.write(tmp_path / "c.wav", bursts(), RATE)
    monkeypatch.setitem(sys.modules, "av", None)
    extra = r"a\.mp4: media files are read by PyAV: pip install 'audioae\[media\]'"
    with pytest.raises(MissingExtraError, match=extra):
        denoise_file(audioae.load("conv1d_dae"), tmp_path / "a.mp4", tmp_path / "b.mp4", DRY)
    made = CliRunner().invoke(main, ["denoise", str(tmp_path), "-o", str(tmp_path / "out"), "-m", "conv1d_dae"])
    assert made.exit_code == 1 and "a.mp4: media files are read by PyAV: pip install 'audioae[media]'" in made.output
    assert (tmp_path / "out/c.wav").exists()


def test_a_media_file_by_another_name(copy: Callable[..., Report], tmp_path: Path) -> None:
    Maker(tmp_path / "talk.bin", "mp4").video().sound().close()
    copy(tmp_path / "talk.bin", tmp_path / "clean.bin")
    assert copied(tmp_path / "talk.bin") == copied(tmp_path / "clean.bin")
    copy(tmp_path / "talk.bin", tmp_path / "clean.wav")
    assert soundfile.info(tmp_path / "clean.wav").samplerate == RATE


def test_an_earlier_result_is_kept_and_the_input_too(copy: Callable[..., Report], tmp_path: Path) -> None:
    source, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    Maker(source).video().sound().close()
    before = source.read_bytes()
    copy(source, target)
    with pytest.raises(OutputError, match="is there already"):
        copy(source, target)
    first = target.read_bytes()
    copy(source, target, again=True)
    copy(source, target, overwrite=True)
    assert target.read_bytes() == first and source.read_bytes() == before
    with pytest.raises(OutputError, match="is the input itself"):
        copy(source, source, overwrite=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_segments_of_speech_have_the_times_of_the_players_clock(tmp_path: Path, samples: Path, denoiser: Denoiser) -> None:
    sentence, rate = soundfile.read(samples / "clean/48k-waves.flac", dtype="float32")
    quiet = 1e-4 * np.random.default_rng(0).normal(size=rate).astype(np.float32)
    one = np.concatenate([quiet, sentence, quiet])
    expected = audioae.speech_segments(one, rate, denoiser)
    seconds, start, pause = len(one) / rate, 1.5, 5.0
    maker = Maker(tmp_path / "talk.mkv").video("mpeg4", 3 * seconds)
    maker.sound("flac", np.tile(one, 2), rate, start, layout="mono", pauses={seconds: pause}).close()
    report = denoise_file(denoiser, tmp_path / "talk.mkv", tmp_path / "out.mkv", speech=tmp_path / "speech.json")
    made = [(each["start"], each["end"]) for each in json.loads((tmp_path / "speech.json").read_text())["segments"]]
    later = start + seconds + pause
    times = [(begin + shift, end + shift) for shift in (start, later) for begin, end in expected]
    assert made == [pytest.approx(each, abs=0.06) for each in times]
    assert report.speech == pytest.approx(2 * sum(end - begin for begin, end in expected), abs=0.2)


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    """Memory of arrays and of Python's objects, which hold samples and packets, grows by less than a tenth of them."""
    model, peaks = audioae.load("conv1d_dae"), []
    for seconds in (40, 120):
        source = tmp_path / f"{seconds}.mkv"
        wave = np.random.default_rng(0).normal(0, 0.05, 8000 * seconds).astype(np.float32)
        Maker(source).video("mpeg4", seconds).sound("flac", wave, 8000, layout="mono").close()
        tracemalloc.start()
        denoise_file(model, source, tmp_path / "out.mkv", DenoiseOptions(overwrite=True))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 0.1 * 80 * 8000 * 4, peaks
