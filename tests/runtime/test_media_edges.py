"""Edges of media files: where the sound starts and ends, truncated files, and what containers state beside the packets."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

import audioae
from audioae.audio.media.reader import MediaReader
from audioae.denoisers.denoiser import Denoiser
from audioae.errors import InputError, OutputError
from audioae.runtime.files import Report, denoise_file
from audioae.runtime.jobs import DenoiseOptions
from tests.runtime.test_media import RATE, Maker, Wave, bursts, heard, lag


@pytest.fixture(scope="module")
def copy() -> Callable[..., Report]:
    """Writes a copy of a recording, by the engine that cleans."""
    model = audioae.load("conv1d_dae")
    assert isinstance(model, Denoiser)

    def run(source: Path, target: Path, **options: Any) -> Report:
        return denoise_file(model, source, target, DenoiseOptions(mix=0.0, **options))

    return run


def start(path: Path) -> float:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return float(stream.start_time * stream.time_base)


def quiet_start(seconds: float = 1.5, rate: int = RATE) -> Wave:
    """Noise after 0.1 s of silence, up to the last sample."""
    wave = np.random.default_rng(0).normal(0, 0.1, int(seconds * rate)).astype(np.float32)
    wave[: rate // 10] = 0
    return wave


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "aac"), ("a.mkv", "ac3"), ("a.mkv", "libmp3lame"), ("a.mkv", "mp2"), ("a.ts", "mp2"), ("a.ts", "ac3"),
     ("a.ts", "libmp3lame"), ("a.flv", "libmp3lame"), ("a.mpg", "mp2")],
)  # fmt: skip
def test_the_start_of_the_sound_does_not_move(copy: Callable[..., Report], tmp_path: Path, name: str, codec: str) -> None:
    """An encoder's delay is not added to that of the encoder before."""
    source = tmp_path / name
    video = {"a.flv": "flv", "a.mkv": "mpeg4", "a.ts": "mpeg2video"}.get(name)
    rate = 44100 if name == "a.flv" else RATE
    maker = Maker(source)
    if video:
        maker.video(video)
    maker.sound(codec, quiet_start(2.0, rate), rate, start=0.1).close()
    first = start(source)
    for number in range(2):
        target = tmp_path / f"{number}{source.suffix}"
        report = copy(source, target)
        assert abs(start(target) - first) <= 0.0011 and not report.notes
        assert abs(lag(source, target)) < 0.0011  # FLV rounds to milliseconds
        source = target


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mka", "ac3"), ("a.mka", "eac3"), ("a.mka", "mp2"), ("a.mka", "aac"), ("a.ts", "mp2"), ("a.ac3", "ac3"),
     ("a.wma", "wmav2"), ("a.avi", "mp2")],
)  # fmt: skip
def test_the_end_of_the_sound_stays(copy: Callable[..., Report], tmp_path: Path, name: str, codec: str) -> None:
    """Some encoders hold back as many samples at the end as they delay."""
    source, target = tmp_path / name, tmp_path / f"b{source_suffix(name)}"
    form = {"a.wma": "asf", "a.mka": "matroska", "a.ts": "mpegts"}.get(name)
    Maker(source, form).sound(codec, quiet_start()).close()
    copy(source, target)
    one, other = heard(source)[0], heard(target)[0]
    shift = round((lag(source, target) - heard(target)[2] + heard(source)[2]) * RATE)
    stop = int(np.flatnonzero(np.abs(one) > 0.1)[-1]) + 1
    last, there = one[stop - 480 : stop], other[stop - 480 + shift : stop + shift]
    assert len(there) == 480 and np.square(there).sum() > 0.5 * np.square(last).sum()


@pytest.mark.parametrize(("name", "codec"), [("a.wmv", "wmav2"), ("a.mkv", "libmp3lame"), ("a.mp4", "aac")])
def test_the_last_frame_of_a_film_is_read(tmp_path: Path, name: str, codec: str) -> None:
    """Some decoders give it only when they are asked for the rest, which is asked for each track."""
    Maker(tmp_path / name).video("mpeg4", 1.5).sound(codec, quiet_start()).close()
    with MediaReader(tmp_path / name) as reader:
        read = sum(map(len, reader.blocks(4096)))
    with av.open(str(tmp_path / name)) as container:
        frames = [frame.samples for packet in container.demux(audio=0) for frame in packet.decode()]
    assert sum(frames) - 1024 <= read <= sum(frames)


def test_results_of_results_do_not_grow(copy: Callable[..., Report], tmp_path: Path) -> None:
    Maker(tmp_path / "0.wma", "asf").sound("wmav2", quiet_start()).close()
    lengths = []
    for number in range(4):
        lengths.append(len(heard(tmp_path / f"{number}.wma")[0]))
        copy(tmp_path / f"{number}.wma", tmp_path / f"{number + 1}.wma")
    assert max(lengths) <= lengths[0] + 2048 and lengths[3] == lengths[1]


def source_suffix(name: str) -> str:
    return Path(name).suffix


@pytest.mark.parametrize("name", ["a.avi", "a.wmv", "a.mkv", "a.webm", "a.mp4"])
def test_a_file_that_lacks_its_last_bytes_is_truncated(copy: Callable[..., Report], tmp_path: Path, name: str) -> None:
    """Less than a second is missing, which the timestamps alone do not tell."""
    codecs = {"a.avi": ("mpeg4", "libmp3lame"), "a.wmv": ("mpeg4", "wmav2"), "a.webm": ("libvpx", "libopus")}
    video, sound = codecs.get(name, ("mpeg4", "flac"))
    maker = Maker(tmp_path / name, None, **({"movflags": "+faststart"} if name == "a.mp4" else {}))
    maker.video(video).sound(sound).close()
    data = (tmp_path / name).read_bytes()
    copy(tmp_path / name, tmp_path / f"whole{source_suffix(name)}")
    for share in (0.9, 0.6):
        (tmp_path / name).write_bytes(data[: int(share * len(data))])
        target = tmp_path / f"b{share}{source_suffix(name)}"
        with pytest.raises(InputError, match=r"--salvage keeps what can be read"):
            copy(tmp_path / name, target)
        assert not target.exists()
        report = copy(tmp_path / name, target, salvage=True)
        assert report.broken and 0.5 < report.seconds < 2.05


def test_bytes_that_a_live_stream_cannot_know(copy: Callable[..., Report], tmp_path: Path) -> None:
    """Programs that write to a pipe leave sizes empty or at their largest value."""
    Maker(tmp_path / "a.avi").video("mpeg4").sound("libmp3lame").close()
    data = bytearray((tmp_path / "a.avi").read_bytes())
    for size in (bytes(4), b"\xff" * 4):
        data[4:8] = size
        (tmp_path / "a.avi").write_bytes(data)
        assert copy(tmp_path / "a.avi", tmp_path / f"b{size[0]}.avi").broken == ""
    Maker(tmp_path / "a.mkv", None, live="1").video("mpeg4").sound("flac").close()
    copy(tmp_path / "a.mkv", tmp_path / "b.mkv")


def test_parts_that_an_edit_list_leaves_out_do_not_raise_the_bit_rate(copy: Callable[..., Report], tmp_path: Path) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    Maker(tmp_path / "a.mp4", use_editlist="1").video().sound("aac", wave, start=-0.8, bits=96_000).close()
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        seconds = float(sum(packet.duration * packet.time_base for packet in packets))
    assert 1.1 < seconds < 1.3
    assert sum(packet.size for packet in packets) * 8 / seconds == pytest.approx(96_000, rel=0.15)


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.mkv", "libvpx-vp9"), ("a.mkv", "ffv1")])
def test_the_frame_rate_stays(copy: Callable[..., Report], tmp_path: Path, name: str, codec: str) -> None:
    Maker(tmp_path / name).video(codec).sound("libopus").close()
    copy(tmp_path / name, tmp_path / f"b{source_suffix(name)}")
    found = []
    for path in (tmp_path / name, tmp_path / f"b{source_suffix(name)}"):
        with av.open(str(path)) as container:
            packet = next(container.demux(video=0))
            found.append((packet.duration, packet.time_base))
    assert found[0] == found[1] and found[0][0]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mov", "prores_ks"), ("a.mp4", "libx264"), ("a.mkv", "ffv1"), ("a.mkv", "mpeg4")]
)
def test_the_shape_of_the_pixels_stays_or_is_named(
    copy: Callable[..., Report], tmp_path: Path, name: str, codec: str
) -> None:
    maker = Maker(tmp_path / name)
    maker.video(codec)
    stream = maker.container.streams.video[0]
    if codec == "prores_ks":
        stream.pix_fmt = "yuv422p10le"
    stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
    maker.sound("aac").close()
    report = copy(tmp_path / name, tmp_path / f"b{source_suffix(name)}")
    shapes = []
    for path in (tmp_path / name, tmp_path / f"b{source_suffix(name)}"):
        with av.open(str(path)) as container:
            shapes.append(container.streams.video[0].sample_aspect_ratio)
    assert shapes[0] == shapes[1] or any("shape of its pixels, 4/3" in note for note in report.notes)
    assert shapes[0] == Fraction(4, 3) or name == "a.mkv"


def test_tracks_of_mpeg_ts_keep_their_identifiers(copy: Callable[..., Report], tmp_path: Path) -> None:
    maker = Maker(tmp_path / "a.ts").video("mpeg2video").sound("mp2").sound("aac")
    for stream, number in zip(maker.container.streams, (0x300, 0x301, 0x345), strict=True):
        stream.id = number
    maker.close()
    copy(tmp_path / "a.ts", tmp_path / "b.ts")
    with av.open(str(tmp_path / "b.ts")) as container:
        assert [stream.id for stream in container.streams] == [0x300, 0x301, 0x345]


def test_nut_with_pictures_and_flac(copy: Callable[..., Report], tmp_path: Path) -> None:
    """Its last packet is empty, and its pictures have no decoding times."""
    Maker(tmp_path / "a.nut").video("libx264").sound("flac").close()
    report = copy(tmp_path / "a.nut", tmp_path / "b.nut")
    assert not report.notes and abs(lag(tmp_path / "a.nut", tmp_path / "b.nut")) < 0.001


def test_codecs_of_which_only_a_successor_is_written(copy: Callable[..., Report], tmp_path: Path) -> None:
    Maker(tmp_path / "a.wma", "asf").sound("wmav1", bursts(rate=44100), 44100).close()
    report = copy(tmp_path / "a.wma", tmp_path / "b.wma")
    assert report.notes == ["wmav1 is not written: the sound of the result is wmav2"]


@pytest.mark.parametrize(
    ("name", "form", "codec"), [("a.oga", "ogg", "flac"), ("a.ogg", "ogg", "flac"), ("a.caf", "caf", "alac")]
)
def test_lossless_codecs_that_libsndfile_does_not_read_there_stay(
    copy: Callable[..., Report], tmp_path: Path, name: str, form: str, codec: str
) -> None:
    source, target = tmp_path / name, tmp_path / f"b{source_suffix(name)}"
    Maker(source, form).sound(codec, bursts(1.0)).close()
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.info(source)
    report = copy(source, target)
    with av.open(str(target)) as container:
        assert container.streams.audio[0].codec_context.name == codec
    assert np.array_equal(heard(source)[0], heard(target)[0][: len(heard(source)[0])]) and not report.notes


def test_endings_without_an_encoder_are_named_before_the_work(copy: Callable[..., Report], tmp_path: Path) -> None:
    Maker(tmp_path / "a.mka").sound("aac", bursts(0.5)).close()
    with pytest.raises(OutputError, match=r"b\.spx: \.spx can be read but not written: give another ending"):
        copy(tmp_path / "a.mka", tmp_path / "b.spx")


def test_surround_sound_that_becomes_aac_has_its_usual_layout(copy: Callable[..., Report], tmp_path: Path) -> None:
    Maker(tmp_path / "a.mka").sound("ac3", bursts(1.0), layout="5.1(side)").close()
    copy(tmp_path / "a.mka", tmp_path / "same.mka")
    report = copy(tmp_path / "a.mka", tmp_path / "b.mp4", codec="aac")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.audio[0].layout.name == "5.1" and not report.notes
    with av.open(str(tmp_path / "same.mka")) as container:
        assert container.streams.audio[0].layout.name == "5.1(side)"


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_wav_without_a_layout_becomes_m4a(copy: Callable[..., Report], tmp_path: Path, channels: int) -> None:
    wave = bursts(1.0)
    soundfile.write(tmp_path / "a.wav", wave[:, None].repeat(channels, 1), RATE, "FLOAT")
    report = copy(tmp_path / "a.wav", tmp_path / "a.m4a")
    assert report.notes == ["pcm_f32le cannot be written: the sound of the result is alac"]
    with av.open(str(tmp_path / "a.m4a")) as container:
        assert container.streams.audio[0].layout.nb_channels == channels
    assert abs(lag(tmp_path / "a.wav", tmp_path / "a.m4a")) < 0.001
