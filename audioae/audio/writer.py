"""Writes audio files atomically, with exact rounding to the subtype."""

import math
import zlib
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
from audioae.audio.formats import BITS, CODED, AudioInfo
from audioae.audio.readback import FileContents, nearly_equal, read_back
from audioae.errors import OutputError
from audioae.system.atomic import Temporary

WRITE_FRAMES = 65_536
"""Largest block; libsndfile has crashed on longer Vorbis blocks."""
PADDING = 9
"""Frames that a container may add as padding to an even number of bytes (AIFF) or to ten frames (PAF)."""
BLOCK = 4096
"""Frames that a block codec may add to fill the last block."""
IN_BLOCKS = ("IMA_ADPCM", "MS_ADPCM", "GSM610", "G721", "G723", "NMS_ADPCM", "VOX_ADPCM")
LOSSLESS = ("PCM_", "FLOAT", "DOUBLE", "ALAC_")
"""Prefixes of lossless subtypes, in all containers except ``LOSSY``."""
LOSSY = ("SDS",)
IN_TWO_FILES = ("SD2",)
OF_THE_SYSTEM = 2
"""Code of libsndfile for errors of the system, such as a full disk."""


class Writer:
    """An audio file that is written atomically when the context ends without an error.

    Before it is renamed, the file is read back and compared with what was written.

    Args:
        path: path of the file.
        info: its format, from :func:`format_for`.
        tags: tags by libsndfile's names, such as title and artist.
        overwrite: replace an existing file.
        again: accept a file that appears meanwhile, if it holds the same sound, as the result of an earlier attempt does.

    Attributes:
        clipped: number of samples that were clipped to full scale.
        notes: notes for the user.

    Raises:
        OutputError: the path cannot be written, the disk is full, or the format does not support this rate or number of
            channels.
    """

    def __init__(
        self,
        path: Path,
        info: AudioInfo,
        tags: Mapping[str, str] | None = None,
        overwrite: bool = False,
        again: bool = False,
    ) -> None:
        self.path, self.info, self.clipped = path, info, 0
        self.notes: list[str] = []
        self._bits = BITS.get(info.subtype)
        self._kind = "float32" if self._bits is None else "int16" if self._bits <= 16 else "int32"
        self._frames = self._sum = 0
        self._contents: FileContents | None = None
        self._file: soundfile.SoundFile | None = None
        self._temporary = Temporary(path, overwrite, again)
        try:
            if info.container in IN_TWO_FILES:
                raise OutputError(f"{path}: {info.container} uses two files: choose another ending, such as .wav")
            self._file = soundfile.SoundFile(
                name_for_libsndfile(self.temporary), "w", info.rate, info.channels, info.subtype, info.endian,
                info.container, **bitrate.setting(info),
            )  # fmt: skip
            for key, value in (tags or {}).items():
                with suppress(soundfile.LibsndfileError):  # not supported by this container
                    setattr(self._file, key, value)
        except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
            self.discard()
            if getattr(error, "code", 0) == OF_THE_SYSTEM:
                raise self.failed(error) from None
            raise OutputError(
                f"{path}: {info.container} {info.subtype} cannot take {info.channels} channels at {info.rate} Hz "
                f"({_reason(error)})"
            ) from None
        except BaseException:  # Ctrl-C, before the caller could clean up
            self.discard()
            raise

    @property
    def temporary(self) -> Path:
        """The temporary file. Other modules may add to it after :meth:`finish`."""
        return self._temporary.path

    def stored(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The block ``(frames, C)`` rounded to the bit depth of the file and clipped to full scale."""
        if self._bits is None:
            return block
        scale = 2.0 ** (self._bits - 1)
        return (np.clip(np.rint(block * np.float64(scale)), -scale, scale - 1) / scale).astype(block.dtype)

    def write(self, block: NDArray[np.float32]) -> None:
        """Append ``(frames, C)``.

        Raises:
            OutputError: the disk is full, or a sample is NaN or infinite.
        """
        if self.info.order:
            block = np.ascontiguousarray(block[:, self.info.order])
        for start in range(0, len(block), WRITE_FRAMES):
            self._write(block[start : start + WRITE_FRAMES])

    def _write(self, block: NDArray[np.float32]) -> None:
        assert self._file is not None, "open until finish"
        data = self._encoded(block)
        self._frames += len(data)
        self._sum = zlib.crc32(np.ascontiguousarray(data).data, self._sum)
        try:
            self._file.write(data)
        except (soundfile.LibsndfileError, RuntimeError, AssertionError, OSError) as error:
            raise self.failed(error) from None

    def _encoded(self, block: NDArray[np.float32]) -> NDArray[Any]:
        """Samples for libsndfile: floats, or integers in the upper bits of 16 or 32."""
        least, most = (float(block.min()), float(block.max())) if block.size else (0.0, 0.0)
        if not (math.isfinite(least) and math.isfinite(most)):
            raise OutputError(f"{self.path}: the result holds NaN or infinite samples and is not written: try another model")
        if self._bits is None:
            return np.asarray(block, np.float32)
        # As integers, because libsndfile reads with a scale of 2**15 but writes floats with 2**15 - 1.
        scale = 2.0 ** (self._bits - 1)
        # float32 represents 24-bit integers exactly, also after scaling by a power of two.
        whole = np.rint(block * (np.float32(scale) if self._bits <= 24 else np.float64(scale)))
        if least * scale < -scale - 0.5 or most * scale >= scale - 0.5:
            limited = np.clip(whole, -scale, scale - 1)
            self.clipped += int(np.count_nonzero(whole != limited))
            whole = limited
        kind = np.dtype(self._kind)
        return whole.astype(kind) << (np.iinfo(kind).bits - self._bits)

    def finish(self) -> None:
        """Complete the temporary file; :meth:`commit` then renames it.

        Raises:
            OutputError: the disk is full.
        """
        assert self._file is not None, "open until finish"
        try:
            self._file.flush()
            self._file.close()
        except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
            raise self.failed(error) from None
        try:
            chunk_copy.state_frames(self.temporary, self._frames)
        except OSError as error:
            raise self.failed(error) from None

    def verify(self) -> None:
        """Read the finished file back and compare it with what was written, because libsndfile does not report all errors.

        Raises:
            OutputError: the disk is full, or the file is incomplete for another reason.
        """
        info = self.info
        try:
            found = self._contents = read_back(self.temporary, self._kind, self._frames)
        except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
            raise self.failed(error) from None
        if (found.rate, found.channels) != (info.rate, info.channels):
            why = f"{info.rate} Hz and {info.channels} channels became {found.rate} Hz and {found.channels}"
            raise OutputError(f"{self.path}: {info.container} cannot hold it ({why}): choose another ending, such as .wav")
        padding = BLOCK if info.subtype.startswith(IN_BLOCKS) else PADDING
        if not self._frames <= found.frames <= self._frames + padding:
            raise self.failed(f"{found.frames} of {self._frames} frames can be read back")
        if found.sizes:
            raise self.failed(f"the header has a wrong size: {found.sizes}")
        if info.subtype.startswith(LOSSLESS) and info.container not in LOSSY and found.sum != self._sum:
            raise self.failed("the samples read back differ from those written")

    def commit(self) -> None:
        """Rename the file to its path.

        Raises:
            AppearedError: another file has appeared there, which is kept.
            OutputError: the path cannot be written.
        """
        self._temporary.commit(self._is_there)

    def _is_there(self) -> bool:
        """Whether the existing file holds the same sound."""
        try:
            if self._contents is None:
                return False
            if read_back(self.path, self._kind, self._frames) == self._contents:
                return True
            return self.info.subtype in CODED and nearly_equal(self.temporary, self.path)
        except (soundfile.LibsndfileError, RuntimeError, OSError):
            return False

    def discard(self) -> None:
        """Delete the temporary file, if it was not committed."""
        if self._file is not None and not self._file.closed:
            # Errors are ignored, because the file is deleted.
            with suppress(soundfile.LibsndfileError, RuntimeError):
                self._file.close()
        self._temporary.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                assert self._file is not None, "it was opened"
                if not self._file.closed:
                    self.finish()
                if self._contents is None:
                    self.verify()
                self.commit()
        finally:
            self.discard()

    def failed(self, error: Exception | str) -> OutputError:
        """The error for a failed write."""
        if isinstance(error, OSError):
            return self._temporary.failed(error)
        return self._temporary.failed(error if isinstance(error, str) else _reason(error))


def _reason(error: Exception) -> str:
    return str(getattr(error, "error_string", None) or error or "not everything was stored").strip().rstrip(".")
