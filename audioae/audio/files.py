"""Reading audio files; with :mod:`audioae.audio.writer` the only place that knows soundfile."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from audioae.audio.folders import FOREIGN
from audioae.audio.spool import seekable
from audioae.errors import InputError

READ_FRAMES = 65_536
SALVAGE_FRAMES = 256
_UNKNOWN = 2**62
# libsndfile takes a file that was cut off for a shorter whole one, but its log has both sizes of what holds the sound.
_SIZES = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_UNSIZED = 0x7FFF0000
"""Sizes from here on stand for unknown ones in the headers of streams."""
_NEGLIGIBLE = 64


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    Attributes:
        rate: Hz.
        channels: C.
        frames: N.
        container: libsndfile's name, such as ``WAV``.
        subtype: libsndfile's name, such as ``PCM_16``.
        endian: ``FILE``, ``LITTLE``, ``BIG`` or ``CPU``.
    """

    rate: int
    channels: int
    frames: int
    container: str
    subtype: str
    endian: str = "FILE"

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.rate


def name_for_libsndfile(path: Path) -> str | bytes:
    """Where names are bytes, as the bytes that they are: not all of them are text."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


class Reader:
    """An open audio file, read block by block in one pass.

    Args:
        path: any file that libsndfile reads, or a pipe that gives one.
        stream: where to read it from instead, seekable; ``path`` then only names it.
        salvage: take a file that breaks off or is damaged for one that ends there, and say so in :attr:`broken`.

    Attributes:
        info: what the header says.
        piped: whether it was read from elsewhere than the path, which cannot be opened again.
        broken: why the file was read in part only; empty where it was not.

    Raises:
        InputError: no such file, a folder, empty, not audio, or without a single sample rate.
    """

    def __init__(self, path: str | os.PathLike[str], stream: BinaryIO | None = None, salvage: bool = False) -> None:
        self.path, self.salvage, self.broken = Path(path), salvage, ""
        if stream is None:
            stream = _piped(self.path)
        self.piped = stream is not None
        self._source = stream if stream is not None else name_for_libsndfile(self.path)
        try:
            self._file = soundfile.SoundFile(self._source)
        except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
            advice = ": make it a WAV or FLAC first, by ffmpeg for example" if self.path.suffix.lower() in FOREIGN else ""
            raise InputError(f"{path}: not an audio file that libsndfile reads ({_reason(error)}){advice}") from None
        file = self._file
        frames = _promised(file.extra_info, file.frames) if 0 <= file.frames < _UNKNOWN else 0
        # Counted here, for libsndfile cannot tell where it is in some telephone codecs.
        self._position = 0
        self.info = AudioInfo(file.samplerate, file.channels, frames, file.format, file.subtype, file.endian)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self.piped and not isinstance(self._source, str | bytes):
            self._source.close()

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next ``(up to frames, C)`` float32; fewer only at the end.

        Raises:
            InputError: the file breaks off before the end that its header promises, or is damaged.
        """
        parts: list[NDArray[np.float32]] = []
        missing = 0 if self.broken else frames
        most = READ_FRAMES
        while missing > 0:
            try:
                part = self._file.read(min(missing, most), dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                if self.salvage and most > SALVAGE_FRAMES and self._back():
                    most = SALVAGE_FRAMES
                    continue
                self._give_up(f"damaged after {self._where()} ({_reason(error)})")
                break
            if not len(part):
                break
            parts.append(part)
            missing -= len(part)
            self._position += len(part)
        if missing and not self.broken and self._position < self.info.frames:
            self._give_up(f"breaks off after {self._where()} of {self.info.seconds:.1f} s: is it truncated?")
        return np.concatenate(parts) if parts else np.zeros((0, self.info.channels), np.float32)

    def _give_up(self, why: str) -> None:
        if not self.salvage:
            raise InputError(f"{self.path}: {why} (--salvage takes what can be read)")
        self.broken = why

    def _back(self) -> bool:
        """To where the last read began, whose beginning may still be whole; anew, for an error stays with libsndfile."""
        try:
            self._file.close()
            if not isinstance(self._source, str | bytes):
                self._source.seek(0)
            self._file = soundfile.SoundFile(self._source)
            self._file.seek(self._position)
        except (soundfile.LibsndfileError, RuntimeError):
            return False
        return True

    def _where(self) -> str:
        return f"{self._position / self.info.rate:.1f} s"

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """The rest of the file, ``(frames, C)`` at a time, the last one shorter."""
        while len(block := self.read(frames)):
            yield block

    @property
    def tags(self) -> dict[str, str]:
        """Title, artist and the like, as far as libsndfile knows them."""
        return dict(self._file.copy_metadata())

    def seek(self, frame: int) -> None:
        """Go to a frame.

        Raises:
            InputError: the file cannot be sought in.
        """
        try:
            self._file.seek(frame)
            self._position = frame
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise InputError(f"{self.path}: cannot go to frame {frame} ({_reason(error)})") from None


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """A file's rate, channels, length and format.

    Raises:
        InputError: see :class:`Reader`.
    """
    with Reader(path) as reader:
        return reader.info


def read_with_info(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], AudioInfo]:
    """A whole file as float32 ``(frames, channels)``, and what its header says; opened once, for it may be a pipe.

    Raises:
        InputError: see :class:`Reader`.
    """
    with Reader(path) as reader:
        return reader.read(_UNKNOWN), reader.info


def read(path: str | os.PathLike[str], start: int = 0, frames: int | None = None) -> tuple[NDArray[np.float32], int]:
    """A file, or ``frames`` of it from ``start`` on, as float32 ``(frames, channels)``, and its rate in Hz.

    Raises:
        InputError: see :class:`Reader`.
    """
    with Reader(path) as reader:
        if start:
            reader.seek(start)
        return reader.read(_UNKNOWN if frames is None else frames), reader.info.rate


def _promised(log: str, frames: int) -> int:
    """Frames that the header announces, of which ``frames`` are there."""
    for sizes in _SIZES.finditer(log):
        announced, present = map(int, sizes.groups())
        if present + _NEGLIGIBLE < announced < _UNSIZED and present > 0:
            return frames * announced // present
    return frames


def _piped(path: Path) -> BinaryIO | None:
    """What a pipe gives; None for a file, which can be opened by name."""
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, not an audio file")
        pipe = seekable(path)
        if pipe is None:
            if path.stat().st_size == 0:
                raise InputError(f"{path}: the file is empty")
            with open(path, "rb"):
                pass
        return pipe
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error)
    return str(text).strip().rstrip(".")
