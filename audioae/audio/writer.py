"""Writing audio files: the subtype kept bit by bit, and the old file or the whole new one, never half a file."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from audioae.audio import bitrate, chunk_copy
from audioae.audio.files import name_for_libsndfile
from audioae.audio.formats import BITS, AudioInfo
from audioae.errors import OutputError

WRITE_FRAMES = 65_536
"""libsndfile has crashed on longer Vorbis blocks."""


class Writer:
    """A file that comes into being whole when the context ends without an error, and not at all otherwise.

    Args:
        path: the file to be; one that is there is replaced at the very end.
        info: its format, from :func:`format_for`.
        tags: title, artist and the like, by libsndfile's names.

    Attributes:
        clipped: samples that lay beyond full scale and were limited to it.
        frames: how many were written.

    Raises:
        OutputError: the folder cannot be written, the disk is full, or the format cannot take this rate or so many channels.
    """

    def __init__(self, path: Path, info: AudioInfo, tags: Mapping[str, str] | None = None) -> None:
        self.path, self.info, self.clipped, self.frames = path, info, 0, 0
        self._bits = BITS.get(info.subtype)
        try:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
            os.close(handle)
        except OSError as error:
            raise OutputError(f"{path}: cannot write there: {error.strerror or error}") from None
        self.temporary = Path(name)
        try:
            self._file = soundfile.SoundFile(
                name_for_libsndfile(self.temporary), "w", info.rate, info.channels, info.subtype, info.endian,
                info.container, **bitrate.setting(info),
            )  # fmt: skip
            for key, value in (tags or {}).items():
                with suppress(soundfile.LibsndfileError):  # no place for it in this container
                    setattr(self._file, key, value)
        except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
            self.temporary.unlink(missing_ok=True)
            reason = getattr(error, "error_string", None) or error
            raise OutputError(
                f"{path}: {info.container} {info.subtype} cannot take {info.channels} channels at {info.rate} Hz ({reason})"
            ) from None
        except BaseException:  # Ctrl-C, before anybody holds what would tidy up
            self.temporary.unlink(missing_ok=True)
            raise

    def stored(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The block ``(frames, C)`` as the file will hold it: rounded to its bit depth and limited to full scale."""
        if self._bits is None:
            return block
        scale = 2.0 ** (self._bits - 1)
        return (np.clip(np.rint(block * np.float64(scale)), -scale, scale - 1) / scale).astype(block.dtype)

    def write(self, block: NDArray[np.float32]) -> None:
        """Append ``(frames, C)``.

        Raises:
            OutputError: the disk is full.
        """
        if self.info.order:
            block = np.ascontiguousarray(block[:, self.info.order])
        for start in range(0, len(block), WRITE_FRAMES):
            self._write(block[start : start + WRITE_FRAMES])

    def _write(self, block: NDArray[np.float32]) -> None:
        data: NDArray[Any] = block
        if self._bits is not None and len(block):
            # In integers, for libsndfile scales floats by 2**15 - 1 after having read them by 2**15.
            scale = 2.0 ** (self._bits - 1)
            # float32 holds all whole numbers of 24 bits, and times a power of two it stays exact.
            whole = np.rint(block * (np.float32(scale) if self._bits <= 24 else np.float64(scale)))
            if whole.min() < -scale or whole.max() > scale - 1:
                limited = np.clip(whole, -scale, scale - 1)
                self.clipped += int(np.count_nonzero(whole != limited))
                whole = limited
            kind = np.int16 if self._bits <= 16 else np.int32
            data = whole.astype(kind) << (np.iinfo(kind).bits - self._bits)
        try:
            self._file.write(data)
        except (soundfile.LibsndfileError, RuntimeError, AssertionError, OSError) as error:
            raise self._full(error) from None
        self.frames += len(block)

    def finish(self) -> None:
        """Complete the temporary file; :meth:`commit` then puts it in its place.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._file.flush()
            self._file.close()
        except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
            raise self._full(error) from None
        if self.temporary.stat().st_size == 0:
            raise self._full(OSError("nothing was stored"))
        chunk_copy.state_frames(self.temporary, self.frames)

    def commit(self) -> None:
        """Put the file in its place.

        Raises:
            OutputError: the place cannot be written.
        """
        try:
            mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o666 & ~_umask()
            # On the disk, tags and all, before it takes the old one's place, and its name after that: power may fail.
            _sync(self.temporary, os.O_RDWR)
            self.temporary.chmod(mode)
            self.temporary.replace(self.path)
            with suppress(OSError):  # not every system opens folders
                _sync(self.path.parent, os.O_RDONLY)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot write: {error.strerror or error}") from None

    def discard(self) -> None:
        """Leave nothing behind."""
        if not self._file.closed:
            # What could not be stored is thrown away.
            with suppress(soundfile.LibsndfileError, RuntimeError):
                self._file.close()
        self.temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                if not self._file.closed:
                    self.finish()
                self.commit()
        finally:
            self.discard()

    def _full(self, error: Exception) -> OutputError:
        reason = getattr(error, "error_string", None) or str(error) or "not everything was stored"
        return OutputError(f"{self.path}: cannot write, is the disk full? ({str(reason).strip().rstrip('.')})")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path, access: int) -> None:
    handle = os.open(path, access)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
