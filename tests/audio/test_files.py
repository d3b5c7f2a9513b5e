from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audioae.audio.files import Reader, probe, read
from audioae.errors import InputError


def test_blocks_joined_equal_the_file(noisy: Callable[..., Path]) -> None:
    path = noisy(channels=2)
    whole, rate = read(path)
    with Reader(path) as reader:
        blocks = list(reader.blocks(777))
    assert np.array_equal(np.concatenate(blocks), whole)
    assert np.array_equal(read(path, 500, 300)[0], whole[500:800])
    assert (probe(path).rate, probe(path).frames) == (rate, len(whole))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "the file is empty"), (b"this is only text, though it is called .wav\n" * 20, "not an audio file")],
)
def test_files_without_audio_are_rejected_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        probe(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_missing_files_folders_and_locked_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        probe(tmp_path / "missing.wav")
    with pytest.raises(InputError, match="is a folder"):
        probe(tmp_path)


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.aiff", "a.w64", "a.au", "a.rf64", "a.mp3", "a.ogg"])
def test_a_truncated_file_is_noticed(noisy: Callable[..., Path], name: str) -> None:
    path = noisy(name, seconds=4.0)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    if name == "a.ogg":
        # Its header does not say how long it is.
        assert len(read(path)[0]) < 64000
    else:
        with pytest.raises(InputError, match=r"ends after .* is it truncated|damaged after"):
            read(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_header_without_a_length_is_not_a_truncation(noisy: Callable[..., Path], size: int) -> None:
    path = noisy("a.wav")
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = size.to_bytes(4, "little")
    path.write_bytes(content)
    assert len(read(path)[0]) == 32000


def test_zero_samples_are_read_as_such(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 2)), 16000)
    assert read(tmp_path / "a.wav")[0].shape == (0, 2)
