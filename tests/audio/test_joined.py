"""All concatenated recordings in a file are read; sound beyond the length in the header is not lost silently."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from audioae.audio import joined
from audioae.audio.files import Reader, probe, read
from audioae.cli.app import main
from audioae.errors import InputError

KINDS = {
    "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"), "mp3": ("MP3", "MPEG_LAYER_III"), "flac": ("FLAC", "PCM_16"),
    "wav": ("WAV", "PCM_16"), "wavex": ("WAVEX", "PCM_24"), "rf64": ("RF64", "PCM_16"), "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"), "caf": ("CAF", "PCM_16"), "w64": ("W64", "PCM_16"),
    "voc": ("VOC", "PCM_16"), "nist": ("NIST", "PCM_16"), "paf": ("PAF", "PCM_16"),
}  # fmt: skip
ID3 = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)


def recording(folder: Path, kind: str, number: int, rate: int = 48000, **options: object) -> Path:
    container, subtype = KINDS[kind]
    path = folder / f"{number}.{kind}"
    wave = np.random.default_rng(number).normal(0, 0.1, (4800 + 1000 * number, 2))
    with soundfile.SoundFile(path, "w", rate, 2, subtype, None, container, **options) as file:
        file.write(wave)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_all_recordings_of_a_file_come_out(tmp_path: Path, kind: str) -> None:
    paths = [recording(tmp_path, kind, number) for number in range(3)]
    path = tmp_path / f"joined.{kind}"
    path.write_bytes(b"".join(each.read_bytes() for each in paths))
    expected = np.concatenate([read(each)[0] for each in paths])
    with pytest.warns(UserWarning, match="3 concatenated recordings in the file become one"):
        found, _ = read(path)
    assert len(found) == len(expected) == probe(path).frames
    assert np.abs(found - expected).max() < 1e-6
    if kind in ("ogg", "opus", "mp3"):
        return  # libsndfile does not seek exactly in these
    with Reader(path) as reader:
        for frame in (0, 4000, 4900, 10700, len(expected) - 10):
            reader.seek(frame)
            assert np.array_equal(reader.read(10), expected[frame : frame + 10])
        assert not len(reader.read(1))


def test_all_joined_recordings_are_reconstructed_with_a_note(tmp_path: Path) -> None:
    path, out = tmp_path / "joined.ogg", tmp_path / "out.wav"
    path.write_bytes(b"".join(recording(tmp_path, "ogg", number, 16000).read_bytes() for number in range(2)))
    made = CliRunner().invoke(main, ["reconstruct", str(path), "-m", "undercomplete_2d", "-o", str(out)])
    assert made.exit_code == 0 and "2 concatenated recordings in the file become one" in made.output
    assert soundfile.info(out).frames == probe(path).frames == 10_600


def test_a_search_for_further_recordings_is_optional(tmp_path: Path) -> None:
    path = tmp_path / "joined.flac"
    path.write_bytes(recording(tmp_path, "flac", 0).read_bytes() + recording(tmp_path, "flac", 1).read_bytes())
    assert probe(path, joined=False).frames == 4800


@pytest.mark.parametrize("kind", KINDS)
def test_one_recording_is_one(tmp_path: Path, kind: str) -> None:
    with open(recording(tmp_path, kind, 1), "rb") as file:
        assert joined.starts(file) == [0]


@pytest.mark.parametrize("kind", ["opus", "mp3", "flac", "wav"])
def test_recordings_of_several_rates_are_rejected(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"joined.{kind}"
    path.write_bytes(recording(tmp_path, kind, 0).read_bytes() + recording(tmp_path, kind, 1, 24000).read_bytes())
    with pytest.raises(InputError, match="holds 2 recordings with different rates or channels: split them first"):
        read(path)


def test_a_broken_second_recording_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "joined.flac"
    second = recording(tmp_path, "flac", 1).read_bytes()
    path.write_bytes(recording(tmp_path, "flac", 0).read_bytes() + second[: len(second) // 2])
    with pytest.raises(InputError, match="--salvage keeps what can be read"):
        read(path)
    with Reader(path, salvage=True) as reader:
        assert 4800 <= len(reader.read(10**6)) < 10600 and reader.broken


def test_mp3s_without_a_header_and_with_tags_in_the_middle(tmp_path: Path) -> None:
    """Frames do not show where a recording ends; a tag between recordings is skipped."""
    one = recording(tmp_path, "mp3", 0, compression_level=0.5, bitrate_mode="CONSTANT").read_bytes()
    size = 144 * 160000 // 48000
    bare = one[size:]
    assert b"Info" in one[:size] and b"Info" not in bare
    alone = len(read_of(tmp_path, bare))
    for number, (content, frames) in enumerate({
        bare + bare: len(read_of(tmp_path, bare + bare)), one + ID3 + one: 9600, one + b"TAG" + bytes(125) + one: 9600,
        ID3 + one + ID3: 4800, one + bare: 4800 + alone, bare + one: alone + 4800,
    }.items()):  # fmt: skip
        path = tmp_path / f"m{number}.mp3"
        path.write_bytes(content)
        with Reader(path) as reader:
            assert len(reader.read(10**6)) == frames == reader.info.frames, number


def read_of(folder: Path, content: bytes) -> np.ndarray:
    (folder / "x.mp3").write_bytes(content)
    return soundfile.read(folder / "x.mp3")[0]


def without_size(path: Path, size: int) -> int:
    """Set the size of the sound in the header of a WAV, AIFF, AU or CAF; returns the real size."""
    data = bytearray(path.read_bytes())
    name, width, order = {".aiff": (b"SSND", 4, ">"), ".au": (b".snd", 4, ">"), ".caf": (b"data", 8, ">")}.get(
        path.suffix, (b"data", 4, "<")
    )
    place = data.index(name) + (8 if path.suffix == ".au" else 4)
    field = struct.Struct(order + ("Q" if width == 8 else "I"))
    (real,) = field.unpack_from(data, place)
    field.pack_into(data, place, size)
    path.write_bytes(data)
    return real


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.caf"])
def test_sound_beyond_the_length_in_the_header_is_salvaged(noisy: Callable[..., Path], name: str) -> None:
    path = noisy(name, "PCM_16")
    whole, _ = read(path)
    without_size(path, 0)
    with pytest.raises(InputError, match=r"states a length of zero, but 6\d{4} bytes of sound follow.*--salvage reads them"):
        read(path)
    with Reader(path, salvage=True) as reader:
        assert np.array_equal(reader.read(10**6), whole)
        assert not reader.broken and "were read as sound" in reader.notes[0]


def test_too_short_a_length_in_the_header_is_reported(noisy: Callable[..., Path]) -> None:
    path = noisy("a.wav")
    whole, _ = read(path)
    without_size(path, 32000)
    with pytest.warns(UserWarning, match="32000 bytes after the sound are not a chunk and are left out"):
        assert np.array_equal(read(path)[0], whole[:16000])
    with Reader(path, salvage=True) as reader:
        assert np.array_equal(reader.read(10**6), whole)


@pytest.mark.parametrize("name", ["a.wav", "a.au"])
def test_streams_of_unknown_length_are_read_as_they_are(noisy: Callable[..., Path], name: str) -> None:
    path = noisy(name, "PCM_16")
    without_size(path, 0xFFFFFFFF)
    with Reader(path) as reader:
        assert len(reader.read(10**6)) == 32000 and not reader.notes


def test_an_empty_recording_with_tags_is_empty(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.wav", "w", 16000, 1) as file:
        file.title = "Nothing"
    with Reader(tmp_path / "a.wav") as reader:
        assert not len(reader.read(10)) and not reader.notes


def test_a_chained_stream_on_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "joined.ogg"
    path.write_bytes(recording(tmp_path, "ogg", 0).read_bytes() + recording(tmp_path, "ogg", 1).read_bytes())
    with open(path, "rb") as stream, Reader("-", stream) as reader:
        assert len(reader.read(10**6)) == 4800 + 5800


def test_mp3_is_the_same_in_blocks_and_at_once(noisy: Callable[..., Path], tmp_path: Path) -> None:
    wave, _ = soundfile.read(noisy("a.wav", seconds=4.0))
    with soundfile.SoundFile(
        tmp_path / "a.mp3", "w", 22050, 1, "MPEG_LAYER_III", None, "MP3", compression_level=0.5, bitrate_mode="VARIABLE"
    ) as file:
        file.write(wave)
    whole, _ = soundfile.read(tmp_path / "a.mp3", dtype="float32")
    with Reader(tmp_path / "a.mp3") as reader:
        blocks = np.concatenate(list(reader.blocks(1000)))[:, 0]
    assert np.abs(blocks - whole).max() < 1e-5  # soundfile's own blocks differ by 0.01 and more


def test_an_mp3_without_a_header_is_not_truncated(tmp_path: Path) -> None:
    """libsndfile estimates its length."""
    path = tmp_path / "a.mp3"
    wave = np.random.default_rng(0).normal(0, 0.1, (48000, 2))
    with soundfile.SoundFile(path, "w", 22050, 2, compression_level=0.95, bitrate_mode="CONSTANT") as file:
        file.write(wave)
    assert soundfile.info(path).frames > len(soundfile.read(path)[0])
    whole = len(soundfile.read(path)[0])
    assert len(read(path)[0]) == whole
    path.write_bytes(path.read_bytes() + recording(tmp_path, "mp3", 0, 22050).read_bytes())
    assert len(read(path)[0]) == whole + 4800
