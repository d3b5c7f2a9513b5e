"""Reading audio files; with ``writer`` and ``readback`` the only module that imports soundfile."""

import os
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from audioae.audio.details import described
from audioae.audio.folders import FOREIGN
from audioae.audio.formats import AudioInfo
from audioae.audio.joined import is_counted
from audioae.audio.parts import parts, sound
from audioae.audio.spool import seekable
from audioae.errors import AudioaeWarning, InputError

READ_FRAMES = 65_536
READ_SAMPLES = 2**20
"""Largest number of samples per read, over all channels."""
MAX_CHANNELS = 1024
"""Limit of libsndfile."""
SALVAGE_FRAMES = 256
_UNKNOWN = 2**62
# libsndfile reads a truncated file like a shorter one, but its log has the stated and the real size of the sound.
_SIZES = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_UNSIZED = 0x7FFF0000
"""Sizes from this value are unknown sizes in headers of streams."""
_NEGLIGIBLE = 64


def name_for_libsndfile(path: Path) -> str | bytes:
    """The path as bytes on systems whose file names are bytes, because some are not valid text."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A file in which soundfile does not seek after every block, because decoders of MP3, SDS and others do not
    return to the same state.
    """

    def seekable(self) -> bool:
        """False, so that soundfile does not seek; :meth:`seek` works."""
        return False

    def close(self) -> None:
        """Close a file that was read. Errors are ignored, because the samples have been read."""
        with suppress(soundfile.LibsndfileError):
            super().close()


class Reader:
    """An open audio file, read block by block in one pass.

    Args:
        path: any file that libsndfile reads, or a pipe.
        stream: seekable file to read instead; ``path`` is used in messages only.
        salvage: read a truncated or damaged file up to the damage, which is described in :attr:`broken`.
        joined: read all recordings that were concatenated in the file. Searching for them reads a whole FLAC, Ogg or MP3
            file, which is not needed if there is known to be one; otherwise only the first one is read there.

    Attributes:
        info: contents of the header, with the frames of all recordings.
        tags: tags that libsndfile supports, such as title and artist.
        notes: notes for the user.
        broken: reason why only a part of the file was read; empty otherwise.

    Raises:
        InputError: no such file, a folder, empty, not audio, of too many channels, or recordings of several sample rates.
    """

    def __init__(
        self, path: str | os.PathLike[str], stream: BinaryIO | None = None, salvage: bool = False, joined: bool = True
    ) -> None:
        self.path, self.salvage, self.broken = Path(path), salvage, ""
        if stream is None:
            stream = _piped(self.path)
        self.notes: list[str] = []
        with ExitStack() as stack:
            raw = stack.enter_context(open(self.path, "rb")) if stream is None else stack.enter_context(stream)
            self._parts = parts(raw, str(path), self.notes, salvage, joined)
            # libsndfile is faster if it opens the file itself.
            self._sounds = [sound(part) for part in self._parts]
            self._by_name = stream is None and self._sounds[0].is_whole
            self._part, self._ends = 0, [0]
            self._file = self._open(0)
            stack.callback(lambda: self._file.close())
            self.tags: dict[str, str] = dict(self._file.copy_metadata())
            self.info = self._survey()
            self._own = stack.pop_all()
        # Counted here, because libsndfile does not know its position in some telephone codecs.
        self._position = 0

    def _open(self, part: int) -> soundfile.SoundFile:
        source = name_for_libsndfile(self.path) if self._by_name else self._sounds[part].opened()
        try:
            return _Forward(source)
        except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
            which = f"recording {part + 1} of the {len(self._parts)} in it is " if part else ""
            advice = (
                ": `audioae denoise` reads media files (pip install 'audioae[media]')"
                if self.path.suffix.lower() in FOREIGN
                else ""
            )
            why = f"{which}not an audio file that libsndfile reads ({_reason(error)}){advice}"
            raise InputError(f"{self.path}: {why}") from None

    def _survey(self) -> AudioInfo:
        """Format and length of all parts together; notes the end of each part."""
        kinds = [_kind(self._file)]
        for part in range(1, len(self._parts)):
            with self._open(part) as file:
                kinds.append(_kind(file))
        first = kinds[0]
        if any((kind.rate, kind.channels) != (first.rate, first.channels) for kind in kinds):
            raise InputError(
                f"{self.path}: holds {len(kinds)} recordings with different rates or channels: split them first"
            )
        if first.channels > MAX_CHANNELS:
            raise InputError(f"{self.path}: has {first.channels} channels: at most {MAX_CHANNELS} can be read")
        self._exact = first.container != "MP3" or all(is_counted(part.opened()) for part in self._parts)
        self._ends = list(accumulate(kind.frames for kind in kinds))
        return described(replace(first, frames=self._ends[-1]), self.first_part())

    @property
    def count(self) -> int:
        """Number of concatenated recordings; 1 unless they were searched for."""
        return len(self._parts)

    def first_part(self) -> BinaryIO:
        """The first recording as a separate file, for its tags and chunks."""
        return self._parts[0].opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._own.close()

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next ``(up to frames, C)`` float32; fewer only at the end.

        Raises:
            InputError: the file is truncated or damaged.
        """
        found: list[NDArray[np.float32]] = []
        missing = 0 if self.broken else frames
        most = max(1, min(READ_FRAMES, READ_SAMPLES // self.info.channels))
        while missing > 0:
            try:
                block = self._file.read(min(missing, most), dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                if self.salvage and most > SALVAGE_FRAMES and self._back():
                    most = SALVAGE_FRAMES
                    continue
                self._give_up(f"damaged after {self._where()} ({_reason(error)})")
                break
            if not len(block) and not self._next():
                break
            found.append(block)
            missing -= len(block)
            self._position += len(block)
        return np.concatenate(found) if found else np.zeros((0, self.info.channels), np.float32)

    def _next(self) -> bool:
        """Continue with the next recording of the file, if there is one and this one is complete."""
        if self._exact and self._position < self._ends[self._part]:
            self._give_up(f"ends after {self._where()} of {self.info.seconds:.1f} s: is it truncated?")
            return False
        if self._part + 1 == len(self._parts):
            return False
        late = self._position - self._ends[self._part]
        self._ends = [end + late for end in self._ends]
        self._go_to(self._part + 1)
        return True

    def _go_to(self, part: int) -> None:
        self._file.close()
        self._file, self._part = self._open(part), part

    def _give_up(self, why: str) -> None:
        if not self.salvage:
            raise InputError(f"{self.path}: {why} (--salvage keeps what can be read)")
        self.broken = why

    def _back(self) -> bool:
        """Seek to the start of the last read. The file is opened again, because libsndfile keeps errors."""
        try:
            self._go_to(self._part)
            self._file.seek(self._position - self._begin)
        except (soundfile.LibsndfileError, RuntimeError, InputError):
            return False
        return True

    @property
    def _begin(self) -> int:
        """The first frame of the part that is being read."""
        return self._ends[self._part - 1] if self._part else 0

    def _where(self) -> str:
        return f"{self._position / self.info.rate:.1f} s"

    def blocks(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """The rest of the file in blocks ``(frames, C)``; the last one may be shorter."""
        while len(block := self.read(frames)):
            yield block

    def seek(self, frame: int) -> None:
        """Go to a frame.

        Raises:
            InputError: the file is not seekable.
        """
        try:
            part = min(bisect_right(self._ends, frame), len(self._parts) - 1)
            if part != self._part:
                self._go_to(part)
            self._file.seek(frame - self._begin)
            self._position = frame
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise InputError(f"{self.path}: cannot seek to frame {frame} ({_reason(error)})") from None


def probe(path: str | os.PathLike[str], joined: bool = True) -> AudioInfo:
    """A file's rate, channels, length and format.

    Args:
        path: any file that libsndfile reads.
        joined: see :class:`Reader`.

    Raises:
        InputError: see :class:`Reader`.
    """
    with Reader(path, joined=joined) as reader:
        return reader.info


def read_with_info(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], AudioInfo]:
    """A whole file as float32 ``(frames, channels)``, and its header. It is opened once, because it may be a pipe.

    Raises:
        InputError: see :class:`Reader`.

    Warns:
        AudioaeWarning: :attr:`Reader.notes`.
    """
    with Reader(path) as reader:
        _warn_of_notes(reader)
        return reader.read(_UNKNOWN), reader.info


def read(path: str | os.PathLike[str], start: int = 0, frames: int | None = None) -> tuple[NDArray[np.float32], int]:
    """A file, or ``frames`` of it from ``start`` on, as float32 ``(frames, channels)``, and its rate in Hz.

    Raises:
        InputError: see :class:`Reader`.

    Warns:
        AudioaeWarning: :attr:`Reader.notes`.
    """
    with Reader(path) as reader:
        _warn_of_notes(reader)
        if start:
            reader.seek(start)
        return reader.read(_UNKNOWN if frames is None else frames), reader.info.rate


def _warn_of_notes(reader: Reader) -> None:
    for note in reader.notes:
        warnings.warn(f"{reader.path}: {note}", AudioaeWarning, stacklevel=3)


def _kind(file: soundfile.SoundFile) -> AudioInfo:
    frames = _promised(file.extra_info, file.frames) if 0 <= file.frames < _UNKNOWN else 0
    return AudioInfo(file.samplerate, file.channels, frames, file.format, file.subtype, file.endian)


def _promised(log: str, frames: int) -> int:
    """Number of frames stated in the header, of which ``frames`` exist."""
    for sizes in _SIZES.finditer(log):
        announced, present = map(int, sizes.groups())
        if present + _NEGLIGIBLE < announced < _UNSIZED and present > 0:
            return frames * announced // present
    return frames


def _piped(path: Path) -> BinaryIO | None:
    """Contents of a pipe; None for a file."""
    try:
        pipe = None if path.is_dir() else seekable(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if pipe is None:
        check_file(path)
    return pipe


def check_file(path: Path) -> None:
    """Check that the path is a readable file.

    Raises:
        InputError: it is not there, a folder, empty, or may not be read.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder, not an audio file")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty")
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error)
    return str(text).strip().rstrip(".")
