"""PyAV: its import, and opening files with it for reading without following what is in them to others."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

from audioae.audio.files import check_file
from audioae.audio.media.kinds import DEMUXERS
from audioae.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from av.container import InputContainer


def pyav(path: Path | str) -> ModuleType:
    """The module ``av``.

    Args:
        path: of the file that needs it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError(f"{path}: media files are read by PyAV: pip install 'audioae[media]'") from None
    return av


def is_there() -> bool:
    """Whether PyAV is installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def open_input(path: Path, stream: BinaryIO | None = None) -> "InputContainer":
    """Open a media file.

    Args:
        path: a file.
        stream: where to read it from instead, seekable.

    Raises:
        InputError: no media file.
        MissingExtraError: PyAV is not installed.
    """
    av = pyav(path)
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
    if stream is None:
        check_file(path)
    source: Any = stream if stream is not None else f"file:{path}"
    try:
        return av.open(source, "r", options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        raise InputError(f"{path}: not a media file that PyAV reads ({reason(error)})") from None


def reason(error: Exception) -> str:
    """An error of PyAV in words."""
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".")
