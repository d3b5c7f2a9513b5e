"""MP3, Vorbis and Opus keep their bit rate, or have the requested one."""

from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen.mp3 import BitrateMode

from audioae.audio import bitrate
from audioae.audio.files import probe, read
from audioae.audio.formats import AudioInfo, format_for
from audioae.audio.writer import Writer
from audioae.errors import OutputError

Copy = Callable[..., tuple[AudioInfo, list[str]]]
WAVE = np.random.default_rng(0).normal(0, 0.1, (48000, 2))


def coded(path: Path, subtype: str, rate: int = 48000, **options: object) -> Path:
    container = "MP3" if subtype.startswith("MPEG") else "OGG"
    with soundfile.SoundFile(path, "w", rate, 2, subtype, None, container, **options) as file:
        file.write(WAVE)
    return path


def kbit(path: Path) -> float:
    """Format of a file of one second."""
    return 8 * path.stat().st_size / 1000


@pytest.mark.parametrize("rate", [48000, 22050, 11025])
@pytest.mark.parametrize("level", [0.0, 0.3, 0.6, 0.9])
def test_a_constant_bit_rate_stays(copy: Copy, tmp_path: Path, rate: int, level: float) -> None:
    source = coded(tmp_path / "a.mp3", "MPEG_LAYER_III", rate, compression_level=level, bitrate_mode="CONSTANT")
    copy(source, tmp_path / "b.mp3")
    before, after = (mutagen.File(tmp_path / name).info for name in ("a.mp3", "b.mp3"))
    assert after.bitrate == pytest.approx(before.bitrate, rel=1e-4) or level == 0.9
    assert probe(tmp_path / "b.mp3").frames == len(read(source)[0])


@pytest.mark.parametrize("mode", ["AVERAGE", "VARIABLE"])
def test_a_changing_bit_rate_stays_on_average(copy: Copy, tmp_path: Path, mode: str) -> None:
    source = coded(tmp_path / "a.mp3", "MPEG_LAYER_III", compression_level=0.4, bitrate_mode=mode)
    copy(source, tmp_path / "b.mp3")
    assert kbit(tmp_path / "b.mp3") == pytest.approx(kbit(source), rel=0.1)
    assert mutagen.File(tmp_path / "b.mp3").info.bitrate_mode == BitrateMode.ABR


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_vorbis_and_opus_keep_theirs(copy: Copy, tmp_path: Path, subtype: str, level: float) -> None:
    source = coded(tmp_path / "a.ogg", subtype, compression_level=level)
    copy(source, tmp_path / "b.ogg")
    assert kbit(tmp_path / "b.ogg") == pytest.approx(kbit(source), rel=0.1)


@pytest.mark.parametrize(("name", "wished"), [("a.mp3", 64), ("a.mp3", 320), ("a.ogg", 96), ("a.ogg", 300), ("a.opus", 64)])
def test_the_bit_rate_is_an_option(tmp_path: Path, name: str, wished: int) -> None:
    info = format_for(tmp_path / name, AudioInfo(48000, 2, 48000, "WAV", "PCM_16"), bitrate=1000 * wished)
    with Writer(tmp_path / name, info) as writer:
        writer.write(WAVE.astype(np.float32))
    told = mutagen.File(tmp_path / name).info.bitrate  # the nominal one of Vorbis, which noise exceeds
    assert told / 1000 == pytest.approx(wished, rel=0.1)


def test_another_codec_does_not_keep_the_bit_rate() -> None:
    mp3 = AudioInfo(48000, 2, 48000, "MP3", "MPEG_LAYER_III", bitrate=320_000, constant=True)
    assert format_for(Path("a.wav"), mp3, bitrate=64_000).bitrate == 0
    assert format_for(Path("a.ogg"), mp3).bitrate == 0
    assert format_for(Path("a.mp3"), mp3).bitrate == 320_000
    assert format_for(Path("a.mp3"), mp3, bitrate=64_000).bitrate == 64_000


@pytest.mark.parametrize(
    ("subtype", "rate", "wished", "range"),
    [
        ("MPEG_LAYER_III", 44100, 400, "32 to 320"),
        ("MPEG_LAYER_III", 16000, 192, "8 to 160"),
        ("OPUS", 48000, 600, "12 to 512"),
        ("VORBIS", 48000, 900, "64 to 500"),
    ],
)
def test_an_impossible_bit_rate_names_the_possible_ones(subtype: str, rate: int, wished: int, range: str) -> None:
    with pytest.raises(OutputError, match=f"has {range} kbit/s, not {wished}: choose another --bitrate"):
        bitrate.check(1000 * wished, AudioInfo(rate, 2, 0, "OGG", subtype), "a.ogg")
