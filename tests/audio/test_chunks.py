"""Chunks around the sound stay byte for byte, in their order and on their side of it."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioae.audio import chunk_copy, chunks
from audioae.audio.files import Reader, read
from audioae.audio.formats import AudioInfo
from audioae.audio.writer import Writer


def chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes, mark: bytes = b"RIFF", kind: bytes = b"WAVE", order: str = "<") -> bytes:
    body = kind + b"".join(chunks)
    return mark + struct.pack(f"{order}I", len(body)) + body


def chunks_of(path: Path, order: str = "<") -> list[tuple[bytes, bytes]]:
    """Names and contents of the chunks of a RIFF or AIFF file, and that its size is right."""
    data, found, at, long = path.read_bytes(), [], 12, None
    assert struct.unpack(f"{order}I", data[4:8])[0] in (len(data) - 8, 0xFFFFFFFF)
    while at < len(data):
        name, size = data[at : at + 4], struct.unpack(f"{order}I", data[at + 4 : at + 8])[0]
        size = (long or len(data) - at - 8) if size == 0xFFFFFFFF else size
        long = struct.unpack("<Q", data[at + 16 : at + 24])[0] if name == b"ds64" else long
        found.append((name, data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return found


Copy = Callable[..., tuple[AudioInfo, list[str]]]
SOUND = np.random.default_rng(0).integers(-9000, 9000, 1001, dtype=np.int16)
GUID = bytes.fromhex("0100000000001000800000aa00389b71")
BEFORE = [chunk(b"bext", b"Desc".ljust(857, b"\0")), chunk(b"iXML", b"<BWFXML><SCENE>1</SCENE></BWFXML>")]
BETWEEN = [chunk(b"LIST", b"INFO" + chunk(b"INAM", b"A title\0")), chunk(b"odd ", b"xyz")]
AFTER = [
    chunk(b"cue ", struct.pack("<I6I", 1, 1, 500, 0x61746164, 0, 0, 500)),
    chunk(b"smpl", bytes(36)),
    chunk(b"_PMX", b"x" * 9),
]
FORM = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16))
DATA = chunk(b"data", SOUND.astype("<i2").tobytes())


def own(path: Path) -> list[bytes]:
    return [name for name, _ in chunks_of(path)]


def test_chunks_of_a_wav_keep_bytes_order_and_side(copy: Copy, tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_bytes(riff(*BEFORE, FORM, *BETWEEN, DATA, *AFTER))
    _, notes = copy(source, target)
    assert notes == []
    assert target.read_bytes() == source.read_bytes()


def test_padding_and_checksums_of_the_old_sound_are_not_copied(copy: Copy, tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_bytes(riff(chunk(b"JUNK", bytes(28)), BEFORE[0], FORM, chunk(b"levl", bytes(120)), DATA))
    copy(source, target)
    assert own(target) == [b"bext", b"fmt ", b"data"]


def test_long_sound_is_moved_in_blocks(copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_copy, "COPY_BYTES", 64)
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_bytes(riff(*BEFORE, FORM, *BETWEEN, DATA, *AFTER))
    copy(source, target)
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["b.rf64", "b.wav"])
def test_chunks_go_from_wav_to_rf64_and_back(copy: Copy, tmp_path: Path, name: str) -> None:
    source, between, target = tmp_path / "a.wav", tmp_path / "a.rf64", tmp_path / name
    source.write_bytes(riff(*BEFORE, FORM, DATA, *AFTER))
    copy(source, between)
    copy(between, target)
    assert between.read_bytes()[:4] == b"RF64"
    # libsndfile does not skip padding before the sound of an RF64 file, so that it becomes a part of the chunk.
    even = [(n, c + b"\0" * (len(c) % 2)) for n, c in chunks_of(source)]
    found = dict(chunks_of(target))
    assert [found[n] for n in (b"bext", b"iXML")] == [c for n, c in even if n in (b"bext", b"iXML")]
    kept = [(n, c) for n, c in chunks_of(target) if n not in (b"fmt ", b"data", b"ds64", b"fact")]
    assert [n for n, _ in kept] == [b"bext", b"iXML", b"cue ", b"smpl", b"_PMX"]
    assert own(target).index(b"iXML") < own(target).index(b"data") < own(target).index(b"cue ")
    assert np.array_equal(read(target)[0][:, 0] * 32768, SOUND)


def test_an_rf64_with_a_padded_chunk_before_the_sound_is_read(copy: Copy, tmp_path: Path) -> None:
    """Recorders write their iXML like this; libsndfile by itself finds no sound then."""
    source = tmp_path / "a.rf64"
    sizes = struct.pack("<QQQI", 0, 2 * len(SOUND), len(SOUND), 0)
    data = b"data\xff\xff\xff\xff" + SOUND.astype("<i2").tobytes()
    whole = bytearray(riff(chunk(b"ds64", sizes), chunk(b"iXML", b"<a></a>"), FORM, data, mark=b"RF64"))
    whole[4:8], whole[20:28] = b"\xff" * 4, struct.pack("<Q", len(whole) - 8)
    source.write_bytes(whole)
    assert np.array_equal(read(source)[0][:, 0] * 32768, SOUND)
    copy(source, tmp_path / "b.rf64")
    assert dict(chunks_of(tmp_path / "b.rf64"))[b"iXML"] == b"<a></a>\0"
    assert np.array_equal(read(tmp_path / "b.rf64")[0][:, 0] * 32768, SOUND)


def test_chunks_of_a_big_endian_wav(copy: Copy, tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    form = chunk(b"fmt ", struct.pack(">HHIIHH", 1, 1, 16000, 32000, 2, 16), ">")
    data = chunk(b"data", SOUND.astype(">i2").tobytes(), ">")
    source.write_bytes(
        riff(chunk(b"bext", b"x" * 602, ">"), form, data, chunk(b"cue ", bytes(4), ">"), mark=b"RIFX", order=">")
    )
    copy(source, target)
    assert target.read_bytes() == source.read_bytes()


def test_marks_and_names_of_an_aiff_stay(copy: Copy, tmp_path: Path) -> None:
    source, target = tmp_path / "a.aiff", tmp_path / "b.aiff"
    soundfile.write(source, SOUND, 16000, "PCM_16")
    plain = chunks_of(source, ">")
    marks = struct.pack(">HHIB", 1, 1, 500, 5) + b"intro"
    around = [
        chunk(name, content, ">")
        for name, content in (
            *((b"NAME", b"A name"), (b"AUTH", b"Someone"), (b"(c) ", b"2020 Someone"), (b"ANNO", b"First")),
            *((b"ANNO", b"Second"), (b"MARK", marks), (b"COMT", bytes(10)), (b"INST", bytes(20))),
            *((b"APPL", b"abcdxyz"), (b"ID3 ", b"ID3\x03\0\0\0\0\0\0")),
        )
    ]
    sound = [chunk(name, content, ">") for name, content in plain]
    source.write_bytes(
        riff(*around[:3], *sound[:-1], *around[3:6], sound[-1], *around[6:], mark=b"FORM", kind=b"AIFF", order=">")
    )
    _, notes = copy(source, target)
    assert notes == []
    assert target.read_bytes() == source.read_bytes()


def test_chunks_of_caf_and_w64_stay(copy: Copy, tmp_path: Path) -> None:
    strings = b"info" + struct.pack(">Q", 4 + 12) + struct.pack(">I", 1) + b"title\0Name!\0"
    guid = b"bext" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
    for name, extra in (("a.caf", strings), ("a.w64", guid + struct.pack("<Q", 24 + 602) + b"x" * 602 + bytes(6))):
        source, target = tmp_path / name, tmp_path / f"b{name[1:]}"
        soundfile.write(source, SOUND, 16000, "PCM_16")
        data = source.read_bytes()
        place = data.index(b"data") if name == "a.caf" else len(data) + -len(data) % 8
        data = data.ljust(place, b"\0")
        data = data[:place] + extra + data[place:]
        source.write_bytes(data if name == "a.caf" else data[:16] + struct.pack("<Q", len(data)) + data[24:])
        assert copy(source, target)[1] == []
        assert target.read_bytes().index(extra) > 0
        assert np.array_equal(read(source)[0][:, 0] * 32768, SOUND)  # libsndfile alone reads chunks of W64 as sound
        assert np.array_equal(soundfile.read(target, dtype="int16")[0], SOUND)
        assert np.array_equal(read(target)[0][:, 0] * 32768, SOUND)


MASKS = {"stereo": 3, "2.1": 0xB, "3.0": 7, "4.0": 0x107, "5.0": 0x37, "5.1": 0x3F, "5.1 side": 0x60F, "7.1": 0x63F, "no": 0}


def extensible(mask: int, channels: int, subformat: bytes = GUID, order: str = "<", valid: int = 16) -> bytes:
    head = (0xFFFE, channels, 16000, 32000 * channels, 2 * channels, 16, 22, valid, mask)
    return chunk(b"fmt ", struct.pack(f"{order}HHIIHHHHI", *head) + subformat, order)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("ending", [".wav", ".rf64", ".flac"])
def test_the_loudspeakers_stay(copy: Copy, tmp_path: Path, name: str, ending: str) -> None:
    mask = MASKS[name]
    channels = mask.bit_count() or 3
    source, target, back = tmp_path / "a.wav", tmp_path / f"b{ending}", tmp_path / "c.wav"
    samples = np.random.default_rng(0).integers(-900, 900, (500, channels), dtype=np.int16)
    source.write_bytes(riff(extensible(mask, channels), chunk(b"data", samples.astype("<i2").tobytes())))
    assert copy(source, target)[1] == []
    copy(target, back)
    for path in (target, back):
        with open(path, "rb") as file:
            found = chunks.speakers(file)
        # A FLAC without a mask, and so what is made of it, has the usual one.
        assert found == mask or path.suffix == ".flac" or (ending != ".wav" and mask in (0x3, 0x3F, 0x63F) and not found)
        assert np.array_equal(read(path)[0] * 32768, samples)


def test_the_whole_extension_of_the_format_stays(copy: Copy, tmp_path: Path) -> None:
    """Valid bits, and the mark of Ambisonics."""
    ambisonic = bytes.fromhex("010000002107d3118644c8c1ca000000")
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    form = extensible(0, 4, ambisonic, valid=12)
    source.write_bytes(riff(form, chunk(b"data", bytes(8000))))
    copy(source, target)
    assert dict(chunks_of(target))[b"fmt "] == form[8:]


def test_unsupported_channel_masks_are_reported(copy: Copy, tmp_path: Path) -> None:
    source = tmp_path / "a.wav"
    source.write_bytes(riff(extensible(0x60F, 6), chunk(b"data", bytes(12000))))
    assert copy(source, tmp_path / "b.w64")[1] == ["W64 has no place for the mask of loudspeakers, 0x60f,: left out"]


class Counting(io.BytesIO):
    """A file that counts how often it is read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


def test_a_quarter_of_a_million_empty_chunks_are_read_many_at_a_time(copy: Copy, tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_bytes(riff(FORM, DATA, b"abcd\0\0\0\0" * 2**18))
    copy(source, target)
    assert target.read_bytes() == source.read_bytes()
    target.write_bytes(riff(FORM, DATA))
    file = Counting(source.read_bytes())
    chunk_copy.transfer(file, target)
    assert target.read_bytes() == source.read_bytes()
    # Some walks over two megabytes, and one copy of them; chunk by chunk there were more than a quarter of a million.
    assert file.reads < 10 * 2**21 / chunks.WALK_BYTES
    for look in (chunks.names, chunks.speakers, chunks.surplus, chunks.end_of_sound):
        file.reads = 0
        look(file)
        assert file.reads < 3 * 2**21 / chunks.WALK_BYTES


def test_bytes_that_are_not_a_chunk_are_not_copied(copy: Copy, tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    source.write_bytes(riff(FORM, DATA) + bytes(range(128, 256)) * 3)
    _, (note,) = copy(source, target)
    assert "384 bytes after the sound are not a chunk" in note
    assert target.read_bytes() == riff(FORM, DATA)


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_U8", "ULAW", "ALAW", "PCM_24"])
@pytest.mark.parametrize("frames", [1000, 1001])
def test_padding_of_an_odd_number_of_bytes_is_not_a_frame(tmp_path: Path, subtype: str, frames: int) -> None:
    source, target = tmp_path / "a.aiff", tmp_path / "b.aiff"
    soundfile.write(tmp_path / "a.wav", SOUND[:frames], 16000, "PCM_24")
    soundfile.write(source, SOUND[:1000], 16000, subtype)
    with soundfile.SoundFile(source) as file:
        assert file.frames == 1000
    with Writer(target, AudioInfo(16000, 1, frames, "AIFF", subtype)) as writer:
        writer.write(read(tmp_path / "a.wav")[0])
    assert len(read(target)[0]) == frames


def test_tags_from_standard_input_stay_too(noisy: Callable[..., Path]) -> None:
    """A stream has chunks as a file has."""
    path = noisy("a.wav", seconds=0.1)
    path.write_bytes(riff(*BEFORE, FORM, DATA))
    with open(path, "rb") as stream, Reader("-", stream) as reader, reader.first_part() as first:
        assert chunks.names(first) == ["bext", "iXML"]
        assert np.array_equal(reader.read(10**6)[:, 0] * 32768, SOUND)
