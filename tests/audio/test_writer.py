import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioae.audio import formats, tags
from audioae.audio.files import Reader, read
from audioae.audio.formats import AudioInfo, format_for
from audioae.audio.writer import Writer
from audioae.errors import OutputError


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW"])
def test_samples_are_written_without_change(tmp_path: Path, subtype: str) -> None:
    first, second = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(first, np.random.default_rng(0).uniform(-1, 1, (5000, 2)), 16000, subtype)
    with Reader(first) as reader, Writer(second, reader.info) as out:
        for block in reader.blocks(999):
            assert np.array_equal(out.stored(block), block) or subtype == "FLOAT"
            out.write(block)
    assert np.array_equal(
        *(soundfile.read(p, dtype="int32" if subtype != "FLOAT" else "float32")[0] for p in (first, second))
    )


def test_samples_beyond_full_scale_are_limited_and_counted(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.wav", AudioInfo(8000, 1, 4, "WAV", "PCM_16")) as out:
        out.write(np.array([[1.5], [-1.5], [1.0], [-1.0]], np.float32))
    assert out.clipped == 3
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == [32767, -32768, 32767, -32768]


@pytest.mark.parametrize(
    ("name", "info", "container", "subtype"),
    [
        ("a.wav", ("FLAC", "PCM_24"), "WAV", "PCM_24"),
        ("a.flac", ("WAV", "FLOAT"), "FLAC", "PCM_24"),
        ("a.flac", ("OGG", "VORBIS"), "FLAC", "PCM_16"),
        ("a.ogg", ("WAV", "PCM_16"), "OGG", "VORBIS"),
        ("a.opus", ("WAV", "PCM_16"), "OGG", "OPUS"),
        ("a.mp3", ("WAV", "PCM_16"), "MP3", "MPEG_LAYER_III"),
        ("a.wav", ("WAVEX", "PCM_16"), "WAVEX", "PCM_16"),
        ("a.wav", ("RF64", "PCM_16"), "WAV", "PCM_16"),
    ],
)
def test_the_ending_sets_the_container_and_the_subtype_is_kept_if_possible(
    name: str, info: tuple[str, str], container: str, subtype: str
) -> None:
    result = format_for(Path(name), AudioInfo(48000, 2, 100, *info))
    assert (result.container, result.subtype) == (container, subtype)


def test_long_wavs_become_rf64(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = AudioInfo(48000, 2, 2**31, "WAV", "PCM_16")
    assert format_for(Path("a.wav"), long).container == "RF64"
    assert format_for(Path("a.wav"), AudioInfo(48000, 2, 2**29, "WAV", "PCM_16")).container == "WAV"
    # And a file of that kind, here with a lower limit, holds the same samples.
    monkeypatch.setattr(formats, "WAV_LIMIT", 1000)
    wave = np.random.default_rng(0).uniform(-1, 1, (4000, 1)).astype(np.float32)
    info = format_for(Path("a.wav"), AudioInfo(8000, 1, 4000, "WAV", "FLOAT"))
    with Writer(tmp_path / "a.wav", info) as out:
        out.write(wave)
    assert soundfile.info(tmp_path / "a.wav").format == "RF64"
    assert np.array_equal(read(tmp_path / "a.wav")[0], wave)


def test_unknown_endings_and_impossible_formats_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"unknown ending '\.xyz'"):
        format_for(tmp_path / "a.xyz", AudioInfo(8000, 1, 1, "WAV", "PCM_16"))
    with pytest.raises(OutputError, match="cannot take 9 channels"):
        Writer(tmp_path / "a.flac", AudioInfo(8000, 9, 1, "FLAC", "PCM_16"))
    with pytest.raises(OutputError, match="there is no folder"):
        Writer(tmp_path / "nowhere" / "a.wav", AudioInfo(8000, 1, 1, "WAV", "PCM_16"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 30_000])
@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")])
def test_a_full_disk_leaves_nothing_and_loses_nothing(
    tmp_path: Path, small_disk: Callable[[int], AbstractContextManager[None]], container: str, subtype: str, size: int
) -> None:
    target = tmp_path / "a.out"
    target.write_bytes(b"before")
    with (
        small_disk(size),
        pytest.raises(OutputError, match="is the disk full"),
        Writer(target, AudioInfo(16000, 1, 0, container, subtype), overwrite=True) as out,
    ):
        for _ in range(20):
            out.write(np.random.default_rng(0).uniform(-1, 1, (16000, 1)).astype(np.float32))
    assert target.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.out"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_32", "FLOAT"])
def test_samples_that_are_not_finite_are_not_written(tmp_path: Path, subtype: str, value: float) -> None:
    """Models check their results too, but not every result comes from a model."""
    target = tmp_path / "a.wav"
    target.write_bytes(b"before")
    block = np.zeros((100, 2), np.float32)
    block[50, 1] = value
    with (
        pytest.raises(OutputError, match="the result holds NaN or infinite samples and is not written"),
        Writer(target, AudioInfo(16000, 2, 0, "WAV", subtype), overwrite=True) as out,
    ):
        out.write(block)
    assert target.read_bytes() == b"before" and [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def test_wav_chunks_around_the_sound_are_kept(tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    soundfile.write(source, np.zeros(101), 16000, "PCM_U8")
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"A title\0") + chunk(b"IART", b"Someone\0"))
    extra = info + chunk(b"bext", b"scene 1, take 2".ljust(602, b"\0")) + chunk(b"iXML", b"<BWFXML/>")
    content = bytearray(source.read_bytes().ljust(46 + 100, b"\0")) + extra
    content[4:8] = struct.pack("<I", len(content) - 8)
    source.write_bytes(content)
    with Reader(source) as reader, Writer(target, reader.info) as out:
        out.write(reader.read(101))
        out.finish()
        assert tags.carry(reader, out) == []
    written = target.read_bytes()
    assert written.endswith(extra)
    assert struct.unpack("<I", written[4:8])[0] == len(written) - 8
    assert soundfile.info(target).frames == 101
    with soundfile.SoundFile(target) as file:
        assert (file.title, file.artist) == ("A title", "Someone")


def test_a_long_block_is_written_as_vorbis(tmp_path: Path) -> None:
    """In a separate process, because libsndfile crashes on so long a block."""
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from audioae.audio.formats import AudioInfo; from audioae.audio.writer import Writer\n"
        "block = np.random.default_rng(0).normal(0, 0.1, (6_000_000, 1)).astype(np.float32)\n"
        "with Writer(Path(sys.argv[1]), AudioInfo(48000, 1, len(block), 'OGG', 'VORBIS')) as out: out.write(block)"
    )
    made = subprocess.run([sys.executable, "-c", program, tmp_path / "long.ogg"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert soundfile.info(tmp_path / "long.ogg").frames == 6_000_000
