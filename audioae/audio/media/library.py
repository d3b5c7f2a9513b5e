"""PyAV: import, and opening of files without following references to other files."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

from audioae.audio.files import check_file
from audioae.audio.media.kinds import DEMUXERS
from audioae.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from av.container import InputContainer


def pyav(path: Path | str, what: str = "media files are read") -> ModuleType:
    """The module ``av``.

    Args:
        path: file that needs it.
        what: what PyAV does there, for the message.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError(f"{path}: {what} by PyAV: pip install 'audioae[media]'") from None
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
        stream: seekable file to read instead.

    Raises:
        InputError: not a media file.
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
    """The message of an error of PyAV."""
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".")
