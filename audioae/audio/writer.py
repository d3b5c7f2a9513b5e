"""Writing audio files: the subtype kept bit by bit, and the old file or the whole new one, never half a file."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from audioae.audio.files import AudioInfo, name_for_libsndfile
from audioae.errors import OutputError

BITS = {
    "PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "ULAW": 16, "ALAW": 16,
    "IMA_ADPCM": 16, "MS_ADPCM": 16, "GSM610": 16, "G721_32": 16, "G723_24": 16, "G723_40": 16,
    "ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24, "ALAC_32": 32, "VOX_ADPCM": 16, "NMS_ADPCM_16": 16,
    "NMS_ADPCM_24": 16, "NMS_ADPCM_32": 16, "DWVW_12": 12, "DWVW_16": 16, "DWVW_24": 24,
}  # fmt: skip
"""Integer subtypes and their resolution; the others hold floats."""
CONTAINERS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".mp3": "MP3", ".aif": "AIFF",
              ".aiff": "AIFF", ".aifc": "AIFF", ".au": "AU", ".snd": "AU", ".caf": "CAF", ".w64": "W64", ".rf64": "RF64",
              ".wave": "WAV"}  # fmt: skip
WAV_LIMIT = 2**32 - 2**20
"""Bytes of sound that a WAV file holds safely; its sizes are 32-bit numbers, and tags need room too."""
WRITE_FRAMES = 65_536
"""libsndfile has crashed on longer Vorbis blocks."""
_PREFERRED = ("PCM_24", "PCM_16", "FLOAT", "VORBIS", "MPEG_LAYER_III")


def format_for(path: Path, info: AudioInfo, keep: bool = False) -> AudioInfo:
    """The format to write ``path`` in, for sound that was read as ``info`` says.

    The ending decides on the container, and the container and subtype of the input stay where they go with it. A WAV
    that would exceed 4 GB becomes RF64.

    Args:
        path: the file to be.
        info: what was read.
        keep: keep the container whatever the ending.

    Raises:
        OutputError: an ending that libsndfile does not write, or a format that cannot take this rate or so many channels.
    """
    container = info.container
    ending = path.suffix.lower()
    if not keep:
        wanted = CONTAINERS.get(ending)
        if wanted is None:
            raise OutputError(f"{path}: unknown ending {ending!r}: use one of {' '.join(sorted(CONTAINERS))}")
        same_family = {container, wanted} <= {"WAV", "WAVEX", "RF64"}
        container = container if container == wanted or (same_family and container != "RF64") else wanted
    subtype = info.subtype
    if ending == ".opus" and not keep:
        subtype = "OPUS"
    if not soundfile.check_format(container, subtype):
        subtype = _nearest_subtype(container, info.subtype)
    width = {"DOUBLE": 8, "FLOAT": 4}.get(subtype, BITS.get(subtype, 16) / 8)
    if container in ("WAV", "WAVEX") and info.frames * info.channels * width > WAV_LIMIT:
        container = "RF64"
    endian = (
        info.endian if container == info.container and soundfile.check_format(container, subtype, info.endian) else "FILE"
    )
    return replace(info, container=container, subtype=subtype, endian=endian)


def _nearest_subtype(container: str, subtype: str) -> str:
    possible = soundfile.available_subtypes(container)
    bits = BITS.get(subtype, 24 if subtype in ("FLOAT", "DOUBLE") else 16)
    exact = f"PCM_{bits}"
    if exact in possible:
        return exact
    best = "PCM_16" if bits <= 16 else "PCM_24"
    return next((name for name in (best, *_PREFERRED) if name in possible), soundfile.default_subtype(container))


class Writer:
    """A file that comes into being whole when the context ends without an error, and not at all otherwise.

    Args:
        path: the file to be; one that is there is replaced at the very end.
        info: its format, from :func:`format_for`.
        tags: title, artist and the like, by libsndfile's names.

    Attributes:
        clipped: samples that lay beyond full scale and were limited to it.

    Raises:
        OutputError: the folder cannot be written, the disk is full, or the format cannot take this rate or so many channels.
    """

    def __init__(self, path: Path, info: AudioInfo, tags: Mapping[str, str] | None = None) -> None:
        self.path, self.info, self.clipped = path, info, 0
        self._bits = BITS.get(info.subtype)
        try:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
            os.close(handle)
        except OSError as error:
            raise OutputError(f"{path}: cannot write there: {error.strerror or error}") from None
        self.temporary = Path(name)
        try:
            self._file = soundfile.SoundFile(
                name_for_libsndfile(self.temporary), "w", info.rate, info.channels, info.subtype, info.endian, info.container
            )
            for key, value in (tags or {}).items():
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
