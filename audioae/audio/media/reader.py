"""Reads a sound track of a media file block by block, with the time of every sample."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from audioae.audio.files import MAX_CHANNELS, check_file
from audioae.audio.formats import AudioInfo
from audioae.audio.media.concatenated import count_recordings
from audioae.audio.media.kinds import LAYOUTS, is_lossless
from audioae.audio.media.library import open_input, pyav, reason
from audioae.audio.media.stated import missing_bytes
from audioae.audio.media.timeline import Timeline, TimestampsError
from audioae.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, Packet
    from av.audio.stream import AudioStream

Wave = NDArray[np.float32]
CONTAINER = "MEDIA"
"""Container in :class:`~audioae.audio.formats.AudioInfo` for files read by PyAV."""
TAGS = {
    "title": "title", "artist": "artist", "album": "album", "date": "date", "genre": "genre", "comment": "comment",
    "copyright": "copyright", "track": "tracknumber",
}  # fmt: skip
"""Metadata supported by libsndfile, by FFmpeg's name and libsndfile's name."""
MISSING_SECONDS = 1.0
"""Difference to the length in the header above which a file is truncated."""
ROUNDING = Fraction(3, 2000)
"""Seconds by which rounded times may differ."""
_DEFAULT = 1
"""Disposition flag of the default track."""
_STATES_LENGTH = frozenset({"mov", "matroska", "asf", "avi", "flv"})


@dataclass
class Track:
    """The sound track that is read.

    Attributes:
        index: index of the stream in the file.
        codec: FFmpeg's name of the codec.
        layout: FFmpeg's name of the channel layout.
        bits: bits of an integer sample; 0 for floats and lossy codecs.
        bit_rate: bits per second: estimated before the track is read, then measured; 0 if unknown.
        timeline: times of the samples.
        marked: the file states the encoder's delay, which the decoder left out.
    """

    index: int
    codec: str
    layout: str
    bits: int
    bit_rate: int
    timeline: Timeline
    marked: bool = False


class MediaReader:
    """An open media file, whose sound is read block by block in one pass. See :class:`~audioae.audio.files.Reader`.

    Args:
        path: any file that PyAV reads, or the name of ``stream``.
        stream: seekable file to read instead.
        salvage: skip damaged packets, and read a truncated file to its end.
        track: number of the sound track, from 1; 0 for the default track.

    Attributes:
        info: rate, channels and approximate number of frames.
        tags: tags such as title and artist.
        notes: notes for the user.
        broken: reason why only a part of the sound was read; empty otherwise.
        track: the sound track.

    Raises:
        InputError: not a media file, no such sound track, or an unsupported codec.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, path: Path, stream: BinaryIO | None = None, salvage: bool = False, track: int = 0) -> None:
        self.path, self.stream, self.salvage, self.broken = path, stream, salvage, ""
        self.notes: list[str] = []
        self._av = pyav(path)
        self._bytes, self._ends = 0, Fraction(0)
        self._begins: Fraction | None = None  # time of the first packet of the track
        self._resamplers: dict[tuple[Any, ...], Any] = {}
        if (count := _measure(path, stream, count_recordings)) > 1:
            self._give_up(f"holds {count} concatenated recordings, of which only the first is read: separate them first")
        with ExitStack() as stack:
            self._container = stack.enter_context(open_input(path, stream))
            self._stream = self._choose(track)
            self._rest: list[Wave] = []
            self._frames = self._decoded()
            self._first = next(self._frames, None)
            if self._first is None:
                raise InputError(f"{path}: its sound track holds no samples that can be decoded")
            self.info, self.track = self._described(self._first)
            self.tags = {TAGS[key]: value for key, value in self._metadata().items() if key in TAGS}
            self._own = stack.pop_all()

    @property
    def family(self) -> str:
        """First name of the demuxer, such as ``mov`` or ``matroska``."""
        return str(self._container.format.name).partition(",")[0]

    @property
    def begins(self) -> Fraction:
        """Time of the beginning of the file in seconds, which players show as zero."""
        return Fraction(self._container.start_time or 0, 1_000_000)

    @property
    def left_out(self) -> list[str]:
        """Kinds of all tracks except sound."""
        others = [each.type for each in self._container.streams if each.index != self._stream.index]
        return list(dict.fromkeys(others))

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata of the file, by FFmpeg's names."""
        return dict(self._container.metadata)

    def reopened(self) -> BinaryIO | None:
        """Stream by which the file can be read again; None to open the path."""
        if self.stream is not None:
            self.stream.seek(0)
        return self.stream

    def _metadata(self) -> dict[str, str]:
        """Tags of the file and the track, with names in lower case."""
        both = {**self._stream.metadata, **self._container.metadata}
        return {key.lower(): value for key, value in both.items()}

    def _choose(self, number: int) -> "AudioStream":
        tracks = list(self._container.streams.audio)
        if not tracks:
            raise InputError(f"{self.path}: has no sound track")
        if number > len(tracks):
            raise InputError(f"{self.path}: has {len(tracks)} sound track(s): there is no --track {number}")
        first = next((each for each in tracks if int(each.disposition) & _DEFAULT), tracks[0])
        chosen = tracks[number - 1] if number else first
        if chosen.codec_context is None:
            raise InputError(f"{self.path}: its sound is in a codec that PyAV does not decode")
        if len(tracks) > 1 and not number:
            self.notes.append(
                f"track {tracks.index(chosen) + 1} of {len(tracks)} sound tracks was cleaned: --track chooses another"
            )
        return chosen

    def _described(self, frame: "AudioFrame") -> tuple[AudioInfo, Track]:
        stream, container = self._stream, self._container
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        if not 1 <= channels <= MAX_CHANNELS:
            raise InputError(f"{self.path}: has {channels} channels: at most {MAX_CHANNELS} can be read")
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        seconds = seconds or (container.duration or 0) / 1_000_000
        codec = stream.codec_context.name
        floats = frame.format.name.startswith(("flt", "dbl"))
        bits = 0 if floats or not is_lossless(codec) else 24 if frame.format.bytes > 2 else 8 * frame.format.bytes
        subtype = {8: "PCM_16", 24: "PCM_24"}.get(bits, "FLOAT" if floats and is_lossless(codec) else "PCM_16")
        track = Track(
            stream.index,
            codec,
            _layout(frame),
            bits,
            stream.bit_rate or 0,
            Timeline(rate, Fraction(frame.time_base or 0)),
            self._begins is not None and _time(frame) > self._begins + ROUNDING,
        )
        return AudioInfo(rate, channels, max(0, int(seconds * rate)), CONTAINER, subtype), track

    def _decoded(self) -> Iterator["AudioFrame"]:
        """The frames of the track. Damaged packets before the first are skipped, because broadcasts start with them."""
        begun = False
        try:
            for packet in self._container.demux():
                self._count(packet)
                if packet.stream.index != self._stream.index:  # the last, empty packet has another stream_index
                    continue
                try:
                    for frame in self._stream.decode(packet):
                        begun = True
                        yield frame
                except self._av.FFmpegError as error:
                    if begun and packet.size:  # empty ones ask for frames that the decoder still holds at the end
                        self._give_up(f"damaged after {self._where()} ({reason(error)})")
        except self._av.FFmpegError as error:
            if not begun:
                raise InputError(f"{self.path}: cannot be read ({reason(error)})") from None
            self._give_up(f"damaged after {self._where()} ({reason(error)})")

    def _count(self, packet: "Packet[Any]") -> None:
        if packet.stream_index == self._stream.index and not packet.is_discard:  # parts that an edit list leaves out
            self._bytes += packet.size
            if self._begins is None and packet.pts is not None and packet.time_base:
                self._begins = Fraction(packet.pts * packet.time_base)
        if packet.pts is not None and packet.time_base:
            self._ends = max(self._ends, (packet.pts + (packet.duration or 0)) * packet.time_base)

    def _where(self) -> str:
        return f"{self.track.timeline.samples / self.info.rate:.1f} s"

    def _give_up(self, why: str) -> None:
        if not self.salvage:
            raise InputError(f"{self.path}: {why} (--salvage keeps what can be read)")
        self.broken = self.broken or why

    def blocks(self, frames: int) -> Iterator[Wave]:
        """The sound in blocks ``(frames, C)``; the last one may be shorter.

        Raises:
            InputError: the file is truncated or damaged, or its timestamps go back.
        """
        held: list[Wave] = []
        count = 0
        for wave in self._waves():
            held.append(wave)
            count += len(wave)
            while count >= frames:
                joined = np.concatenate(held)
                yield joined[:frames]
                held = [joined[frames:]]
                count -= frames
        if count:
            yield np.concatenate(held)
        self._finish()

    def _waves(self) -> Iterator[Wave]:
        """Samples ``(N, C)`` frame by frame, with silence in short gaps."""
        timeline, last = self.track.timeline, self._last_sample()
        frame, self._first = self._first, None
        while frame is not None:
            wave = self._samples(frame)
            time = _time(frame) if frame.pts is not None and frame.time_base else None
            if last is not None and time is not None:
                wave = wave[: max(0, round((last - time) * self.info.rate))]
            if len(wave):
                try:
                    silence, dropped = timeline.place(time, len(wave))
                except TimestampsError as error:
                    raise InputError(
                        f"{self.path}: {error} after {self._where()}: repair the file first, for example by ffmpeg -c copy"
                    ) from None
                if silence:
                    yield np.zeros((silence, self.info.channels), np.float32)
                if len(wave) > dropped:
                    yield wave[dropped:]
            frame = next(self._frames, None)

    def _last_sample(self) -> Fraction | None:
        """The exact end of the sound, if the file states it; encoders pad the last frame."""
        stream = self._stream
        if self.family != "mov" or not stream.duration or stream.start_time is None or not stream.time_base:
            return None
        return Fraction((stream.start_time + stream.duration) * stream.time_base)

    def _samples(self, frame: "AudioFrame") -> Wave:
        """A frame as ``(N, C)`` at the rate and with the channels of the track, which may change within it."""
        kind = (frame.sample_rate, _layout(frame), frame.format.name)
        if kind[:2] == (self.info.rate, self.track.layout):
            return _to_wave(frame)
        if kind not in self._resamplers:
            self.notes.append(f"the sound changes to {kind[0]} Hz, {kind[1]}, and was converted")
            self._resamplers[kind] = self._av.AudioResampler("fltp", self.track.layout, self.info.rate)
        parts = [_to_wave(each) for each in self._resamplers[kind].resample(frame)]
        return np.concatenate(parts) if parts else np.zeros((0, self.info.channels), np.float32)

    def _finish(self) -> None:
        timeline = self.track.timeline
        seconds = timeline.samples / self.info.rate
        if seconds:
            self.track.bit_rate = round(8 * self._bytes / seconds)
        if timeline.gaps:
            self.notes.append(f"{timeline.gaps} gap(s) in the timestamps of the sound were kept")
        if timeline.dropped:
            left_out = timeline.dropped / self.info.rate
            self.notes.append(f"{left_out:.2f} s of the sound overlap with the sound before by their timestamps: left out")
        stated = self._stated_end()
        if stated is not None and not self.broken and self._ends + Fraction(MISSING_SECONDS) < stated:
            self._give_up(f"ends after {float(self._ends):.1f} s of {float(stated):.1f} s: is it truncated?")
        if not self.broken and (missing := _measure(self.path, self.stream, missing_bytes)):
            self._give_up(f"{missing} bytes are missing at its end: is it truncated?")

    def _stated_end(self) -> Fraction | None:
        if self.family not in _STATES_LENGTH or not self._container.duration:
            return None
        return Fraction(self._container.duration + (self._container.start_time or 0), 1_000_000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._frames.close()  # type: ignore[attr-defined]
        with suppress(self._av.FFmpegError):
            self._own.close()


def _measure(path: Path, stream: BinaryIO | None, measure: Callable[[BinaryIO], int]) -> int:
    """Call a function on the file, or on a stream, and restore the position."""
    if stream is not None:
        place = stream.tell()
        found = measure(stream)
        stream.seek(place)
        return found
    check_file(path)
    with open(path, "rb") as file:
        return measure(file)


def _layout(frame: "AudioFrame") -> str:
    """Name of the channel layout; the usual one if the file states the number of channels only, as WAV does."""
    name = frame.layout.name
    return LAYOUTS.get(frame.layout.nb_channels, name) if name.endswith("channels") else name


def _time(frame: "AudioFrame") -> Fraction:
    """Time of a frame in seconds; 0 if it has none."""
    return Fraction((frame.pts or 0) * (frame.time_base or 0))


def _to_wave(frame: "AudioFrame") -> Wave:
    """Samples of a frame as float32 ``(N, C)`` in [-1, 1]."""
    data = frame.to_ndarray()
    data = data.T if frame.format.is_planar else data.reshape(-1, frame.layout.nb_channels)
    if data.dtype == np.uint8:
        return np.asarray((data.astype(np.float32) - 128) / 128, np.float32)
    if data.dtype.kind == "i":
        return np.asarray(data / np.float64(2 ** (8 * data.itemsize - 1)), np.float32)
    return np.asarray(data, np.float32)
