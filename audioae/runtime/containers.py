"""Opens recordings and results by libsndfile, or by PyAV for media files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from audioae.audio import bitrate, tags
from audioae.audio.files import Reader
from audioae.audio.formats import CODED, CONTAINERS, format_for
from audioae.audio.media.kinds import is_media
from audioae.audio.media.library import is_there
from audioae.audio.media.reader import CONTAINER, MediaReader
from audioae.audio.media.writer import MediaWriter
from audioae.audio.spool import is_pipe, seekable, seekable_input
from audioae.audio.writer import Writer
from audioae.errors import InputError, OutputError
from audioae.runtime.jobs import STANDARD, DenoiseOptions
from audioae.runtime.loudness import Levelled
from audioae.signal.speech import Segment

OWN_CODECS = frozenset({"flac", "alac", "aac", "opus"})
"""Codecs that libsndfile does not read in containers that it knows, such as FLAC in Ogg; PyAV writes them there."""
Source = Reader | MediaReader
Result = Writer | MediaWriter | Levelled


def open_recording(source: Path, results: Iterable[Path | None], options: DenoiseOptions) -> Source:
    """Open a recording for reading.

    Args:
        source: a file, a pipe, or ``-`` for standard input.
        results: paths of the results; a media file among them needs PyAV.
        options: whether to salvage, and the sound track of a media file.

    Raises:
        InputError: the recording cannot be read.
        MissingExtraError: the recording or a result is a media file, and PyAV is not installed.
    """
    stream = seekable_input() if source == STANDARD else seekable(source) if is_pipe(source) else None
    if is_media(source) or options.track or any(path is not None and is_media(path) for path in results):
        return MediaReader(source, stream, options.salvage, options.track)
    try:
        return Reader(source, stream, options.salvage)
    except InputError as error:
        # Another name for a media file, or a codec that libsndfile does not have.
        if not is_there() or "libsndfile" not in str(error):
            raise
        try:
            if stream is not None and stream.closed:
                raise
            return MediaReader(source, stream, options.salvage)
        except InputError:
            raise error from None


def open_result(path: Path, source: Path, reader: Source, options: DenoiseOptions, loudness: float | None = None) -> Result:
    """Open a result for writing.

    Args:
        path: path of the result.
        source: path of the recording.
        reader: the recording.
        options: bit rate, codec, and whether to overwrite.
        loudness: target loudness in LUFS; None to leave it unchanged.

    Raises:
        OutputError: the path cannot be written, or its container cannot hold the sound.
        MissingExtraError: loudness needs PyAV, which is not installed.
    """
    result = _open_result(path, source, reader, options)
    if loudness is None:
        return result
    try:
        lossy = result.is_lossy if isinstance(result, MediaWriter) else result.info.subtype in CODED
        return Levelled(result, path, reader.info.rate, reader.info.channels, loudness, lossy)
    except BaseException:
        result.discard()
        raise


def _open_result(path: Path, source: Path, reader: Source, options: DenoiseOptions) -> Writer | MediaWriter:
    again, overwrite = options.again, options.overwrite
    if isinstance(reader, MediaReader):
        ending = path.suffix.lower()
        own = ending not in CONTAINERS or reader.track.codec in OWN_CODECS
        if is_media(path) or (own and ending == source.suffix.lower()):
            return MediaWriter(path, reader, options.codec, options.bitrate, overwrite, again)
    if options.codec:
        raise OutputError(f"{path}: --codec is for media files: here the ending determines the codec, such as .opus or .mp3")
    keep = not isinstance(reader, MediaReader) and _keeps_container(path, source)
    info = format_for(path, reader.info, keep=keep, bitrate=options.bitrate)
    if options.bitrate and info.subtype in CODED:
        bitrate.check(options.bitrate, info, str(path))
    with_tags = isinstance(reader, MediaReader) or not tags.copies(reader.info, info)
    return Writer(path, info, reader.tags if with_tags else None, overwrite, again)


def carry(reader: Source, result: Result) -> list[str]:
    """Copy everything except the sound from the recording to a plain result.

    Returns:
        Notes for the user on what could not be kept.
    """
    if isinstance(result, Levelled):
        return carry(reader, result.result)
    if isinstance(result, MediaWriter):
        return []  # it copies by itself
    if isinstance(reader, MediaReader):
        notes = [f"{result.info.container} has no place for the {kind}: left out" for kind in reader.left_out]
        if reader.path.suffix.lower() == result.path.suffix.lower():
            info = result.info
            notes.append(f"{reader.track.codec} is not written in {info.container}: the sound is {info.subtype}")
        return notes
    return tags.carry(reader, result)


def on_clock(segments: Sequence[Segment], reader: Source) -> list[Segment]:
    """Segments in seconds from the first sample to those of the recording's own clock, as players show it.

    In media files the sound may begin late and have gaps.
    """
    if not isinstance(reader, MediaReader):
        return list(segments)
    timeline, rate, begin = reader.track.timeline, reader.info.rate, reader.begins
    times = ((timeline.time(round(edge * rate)) - begin for edge in segment) for segment in segments)
    return [Segment(*(round(max(0.0, float(time)), 3) for time in pair)) for pair in times]


def _keeps_container(path: Path, source: Path) -> bool:
    """Whether the result has the recording's container: the same ending, or no ending."""
    if source == STANDARD:
        return False
    return path.suffix.lower() == source.suffix.lower() or (not source.suffix and path.suffix.lower() not in CONTAINERS)


__all__ = ["CONTAINER", "Result", "Source", "carry", "on_clock", "open_recording", "open_result"]
