"""Writes media files: the sound is encoded, everything else is copied from the recording.

The samples are first written to a temporary file beside the target. They are then encoded while the packets of the other
tracks are copied, so that neither is held in memory. A delay of the codec that the container does not state is found when
the result is read back, and removed in a second run.
"""

import errno
import filecmp
import os
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from audioae.audio.media import encoder
from audioae.audio.media.check import Excerpts, MediaContents, expected_end
from audioae.audio.media.encoder import Encoding
from audioae.audio.media.kinds import BRANDS, DELAYS, EARLY, MUXERS, READ_ONLY, TIMELESS, is_lossless
from audioae.audio.media.library import open_input, pyav, reason
from audioae.audio.media.reader import MediaReader
from audioae.audio.media.tracks import Copy, Sum, covers, is_cover, kept, packets, start_of
from audioae.audio.spool import spooled_blocks
from audioae.errors import InputError, OutputError
from audioae.system.atomic import Temporary

Wave = NDArray[np.float32]
MOST_ATOMS = 1000
"""Number of top-level atoms of an MP4 that are searched for its index."""
SYNC_SECONDS = 0.0005
"""Tolerated delay of the sound."""
WORST_SYNC_SECONDS = 0.001
QUIET = 0.01
"""Amplitude below which the first hundredths of a second count as the delay of an earlier encoder."""
NEARLY = 0.95
"""Share of an encoder's delay that must be quiet; the sound itself sets in gently."""
END_SECONDS = 0.25
"""Tolerated excess at the end, because encoders pad the last frame and some decoders keep the padding."""
_MOV = ("mov", "mp4", "3gp", "3g2", "f4v")


class MediaWriter:
    """A media file that is written atomically when the context ends without an error.

    Args:
        path: path of the file; its ending determines the container.
        reader: the recording, from which everything except the sound is copied.
        codec: codec of the sound; empty for that of the recording.
        bitrate: bit rate of the sound in bits per second; 0 for that of the recording.
        overwrite: replace an existing file.
        again: accept a file that appears meanwhile, if it is equal to the result.

    Attributes:
        clipped: number of samples that were clipped to full scale.
        notes: notes for the user.

    Raises:
        OutputError: the path cannot be written, or the container does not support the sound.
    """

    def __init__(
        self,
        path: Path,
        reader: MediaReader,
        codec: str = "",
        bitrate: int = 0,
        overwrite: bool = False,
        again: bool = False,
    ) -> None:
        self.path, self.reader, self.overwrite, self.clipped = path, reader, overwrite, 0
        self.notes: list[str] = []
        self._av = pyav(path)
        self._bitrate, self._muxer = bitrate, _muxer(path, reader)
        self._excerpts = Excerpts(reader.info.rate)
        self._frames, self._quiet, self._checked = 0, 0, False
        self._loud = 0  # samples up to the last one that is not quiet
        self._place, self._number, self._earlier = 0, 1, 0
        self._copy = Copy()
        self._temporary = Temporary(path, overwrite, again)
        try:
            self._encoding = self._choose(codec)
            self._spool = Temporary(path, overwrite, again)
        except BaseException:
            self._temporary.discard()
            raise

    def _choose(self, codec: str) -> Encoding:
        track, info = self.reader.track, self.reader.info
        with self._output() as container:
            encoding = encoder.choose(
                self.path, container, track.codec, str(self.reader.path), info.rate, track.layout, track.bits,
                track.bit_rate, codec, self._bitrate,
            )  # fmt: skip
        self.notes += encoding.notes
        return encoding

    def _output(self) -> Any:
        options = {"fflags": "+bitexact"}
        if self._muxer in _MOV:
            options["movie_timescale"] = str(self.reader.info.rate)
            if brand := BRANDS.get(self.path.suffix.lower()):
                options["brand"] = brand
            if _moov_first(self.reader):
                options["movflags"] = "+faststart"
            if any(key.startswith("com.") for key in self._metadata()):
                options["movflags"] = options.get("movflags", "") + "+use_metadata_tags"
        if self._muxer == "mpegts":
            options["mpegts_copyts"] = "1"
        place = f"file:{self._temporary.path}"
        return self._av.open(place, "w", format=self._muxer, container_options=options, metadata_errors="replace")

    def _metadata(self) -> dict[str, str]:
        return kept(self.reader.metadata)

    @property
    def temporary(self) -> Path:
        """The temporary file."""
        return self._temporary.path

    @property
    def is_lossy(self) -> bool:
        """Whether the codec is lossy."""
        return not is_lossless(self._encoding.encoder)

    def stored(self, block: Wave) -> Wave:
        """The block ``(frames, C)`` rounded to the bit depth of a lossless codec; unchanged for others."""
        return encoder.rounded(block, self._encoding.bits) if is_lossless(self._encoding.encoder) else block

    def write(self, block: Wave) -> None:
        """Append ``(frames, C)``.

        Raises:
            OutputError: the disk is full, or a sample is NaN or infinite.
        """
        if not np.isfinite(block).all():
            raise OutputError(f"{self.path}: the result holds NaN or infinite samples and is not written: try another model")
        if self._encoding.bits:
            self.clipped += int(np.count_nonzero(np.abs(block) > 1))
        self._excerpts.feed(block)
        loud = np.flatnonzero(np.abs(block).max(1, initial=0) > QUIET)
        if self._quiet == self._frames:
            self._quiet += int(loud[0]) if len(loud) else len(block)
        if len(loud):
            self._loud = self._frames + int(loud[-1]) + 1
        self._frames += len(block)
        self._spool.write(np.ascontiguousarray(block, np.float32).tobytes())

    def finish(self) -> None:
        """Encode the sound and copy the other tracks.

        Raises:
            OutputError: the disk is full, or the container does not support a track.
        """
        if not self._bitrate:
            self._encoding = self._encoding.with_bit_rate(self.reader.track.bit_rate)
        self._mux(DELAYS.get(self._encoding.encoder, 0) if self._muxer in TIMELESS else 0)

    def _mux(self, earlier: int, tail: int = 0) -> None:
        """Write the file, with the sound shifted to earlier times, and ``tail`` samples of silence after it."""
        self._earlier = earlier
        for level in range(3):
            try:
                self._mux_at(earlier, tail, level)
            except self._av.FFmpegError as error:
                number = getattr(error, "errno", 0) or 0
                full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
                if full or level == 2:
                    if number > 0 and full:
                        raise self._temporary.failed(OSError(number, os.strerror(number))) from None
                    raise OutputError(f"{self.path}: {self._muxer} cannot be written ({reason(error)})") from None
            else:
                return

    def _mux_at(self, earlier: int, tail: int, level: int) -> None:
        self._copy = Copy()
        pictures = self._pictures()
        with open_input(self.reader.path, self.reader.reopened()) as source, closing(self._output()) as target:
            target.flags |= self._av.container.Flags.bitexact.value
            sound = None
            for stream in sorted(source.streams, key=lambda each: each.type == "attachment" or is_cover(each)):
                if stream.index == self.reader.track.index:
                    sound = self._add_sound(target, stream)
                elif stream.index in pictures:
                    target.add_attachment(*pictures[stream.index])
                else:
                    self._copy.prepare(source, target, stream, level)
            assert sound is not None, "it was read before"
            target.metadata.update(self._metadata())
            target.set_chapters(source.chapters())
            target.start_encoding()
            encoded = self._encoded(sound, earlier, tail)
            ahead = next(encoded, None)
            try:
                for packet in packets(source):
                    at = start_of(packet)
                    taken = self._copy.take(packet)
                    if taken is None:
                        continue
                    while ahead is not None and start_of(ahead) <= at:
                        target.mux(ahead)
                        ahead = next(encoded, None)
                    target.mux(taken)
            except self._av.InvalidDataError:
                if not self.reader.broken:
                    raise
            while ahead is not None:
                target.mux(ahead)
                ahead = next(encoded, None)

    def _pictures(self) -> dict[int, tuple[str, str, bytes]]:
        """Covers for Matroska, which stores them as attachments."""
        if self._muxer != "matroska":
            return {}
        with open_input(self.reader.path, self.reader.reopened()) as source:
            return covers(source)

    def _add_sound(self, target: Any, stream: Any) -> Any:
        made = target.add_stream(self._encoding.encoder, self._encoding.rate)
        self._encoding.apply(made.codec_context)
        made.metadata.update(kept(stream.metadata))
        made.disposition = int(stream.disposition)
        if self._muxer == "mpegts" == self.reader.family:
            made.id = stream.id
        self._place = made.index
        self._number = sum(each.type == "audio" for each in target.streams)
        return made

    def _encoded(self, sound: Any, earlier: int, tail: int) -> Iterator[Any]:
        """Packets of the encoded sound, shifted to earlier times, with ``tail`` samples of silence after it."""
        timeline, size = self.reader.track.timeline, sound.codec_context.frame_size
        timeless = self._muxer in TIMELESS
        skipped = self._skipped(earlier, timeless)
        held = encoder.unflushed(sound.codec_context)
        tail += held if self._frames - self._loud < held else 0  # a quiet end would grow with every result
        blocks = self._blocks(skipped, size if self._muxer == "asf" else 0, tail)
        start = skipped - (size if self._muxer == "asf" else 0)
        moved: int | None = None
        for frame in chain(encoder.frames(self.path, blocks, self._encoding, size, timeline, start, earlier), [None]):
            for packet in sound.encode(frame):
                if timeless and packet.pts is not None:
                    if moved is None:  # packets must not come before the time of the first sample
                        moved = max(0, round(timeline.time(0) / packet.time_base) - packet.pts)
                    packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
                yield packet

    def _skipped(self, earlier: int, timeless: bool) -> int:
        """Samples at the beginning that are not encoded."""
        start = self.reader.track.timeline.time(0) * self.reader.info.rate
        if earlier > 0 and (timeless or (start < earlier and self._muxer != "asf")):
            return earlier
        delay = DELAYS.get(self._encoding.encoder, 0)
        unmarked = self._muxer in EARLY or (self._muxer in _MOV and start >= delay)
        unmarked &= self._muxer != "matroska" or not self.reader.track.marked
        # Such silence is mostly the delay of an earlier encoder, to which this one would add its own.
        silent = min(delay, self._quiet)
        return silent if unmarked and silent > NEARLY * delay else 0

    def _blocks(self, skipped: int, lead: int, tail: int) -> Iterator[Wave]:
        """The samples without the first ones, with silence before and after them."""
        channels = self.reader.info.channels
        if lead:
            yield np.zeros((lead, channels), np.float32)
        yield from spooled_blocks(self._spool.path, channels, skipped)
        if tail:
            yield np.zeros((tail, channels), np.float32)

    def verify(self) -> None:
        """Read the finished file back and check the copied tracks and the time of the sound.

        Raises:
            OutputError: a track or a time differs.
        """
        rate = self.reader.info.rate
        contents, lag, end, later = self._read_back()
        expected = expected_end(self.reader.track.timeline, later)
        if lag is not None and abs(lag) > SYNC_SECONDS * rate:
            self._mux(self._earlier + lag, max(0, expected - (end - lag)))
            contents, lag, end, later = self._read_back()
            expected = expected_end(self.reader.track.timeline, later)
            if lag is not None and abs(lag) > WORST_SYNC_SECONDS * rate:
                raise OutputError(
                    f"{self.path}: the sound is {1000 * lag / rate:.1f} ms late when it is read back: choose another --codec"
                )
        why = contents.difference(self._copied(), self.reader.family)
        if why:
            raise self._temporary.failed(f"the copied tracks differ from the recording: {why}")
        missing = expected - end
        if not abs(missing) <= END_SECONDS * rate:
            raise self._temporary.failed(f"{missing / rate:.1f} s of the sound cannot be read back")
        if later:
            self.notes.append(f"{self._muxer} cannot store negative times: all tracks start {1000 * later:.0f} ms later")
        self.notes += self._copy.notes
        self._checked = True

    def _read_back(self) -> tuple[MediaContents, int | None, int, float]:
        try:
            container = MediaContents(self.temporary, self._place, self._number)
            later = container.shift(self._copied())
            lag, end = container.lag(self._excerpts, self.reader.track.timeline, later)
        except (InputError, self._av.FFmpegError) as error:
            raise self._temporary.failed(f"the result cannot be read back: {reason(error)}") from None
        return container, lag, end, later

    def _copied(self) -> dict[int, tuple[int, Sum]]:
        """The tracks that were copied: index in the result and summary, by the index in the recording."""
        return {index: (place, self._copy.sums[index]) for index, place in self._copy.places.items()}

    def commit(self) -> None:
        """Rename the file to its path.

        Raises:
            AppearedError: another file has appeared there, which is kept.
            OutputError: the path cannot be written.
        """
        self._temporary.commit(lambda: _same_bytes(self.temporary, self.path))

    def discard(self) -> None:
        """Delete the temporary file, if it was not committed."""
        self._spool.discard()
        self._temporary.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                if not self._checked:
                    self.verify()
                self.commit()
        finally:
            self.discard()


def _muxer(path: Path, reader: MediaReader) -> str:
    """The muxer for the result's ending, or that of the recording.

    Raises:
        OutputError: no such muxer.
    """
    ending = path.suffix.lower()
    if ending in READ_ONLY:
        raise OutputError(
            f"{path}: {ending} can be read but not written: give another ending with -o, such as .mka or .flac"
        )
    found = MUXERS.get(ending)
    if found is None:
        found = {"mov": "mp4", "aac": "adts"}.get(reader.family, reader.family)
        if found not in pyav(path).formats_available:
            raise OutputError(f"{path}: unknown ending {ending!r}: use one of {' '.join(sorted(MUXERS))}")
    return found


def _moov_first(reader: MediaReader) -> bool:
    """Whether an MP4 has its index at the start, for playback during a download."""
    if reader.family != "mov" or reader.stream is not None:
        return False
    with open(reader.path, "rb") as file:
        for _ in range(MOST_ATOMS):
            head = file.read(8)
            size, name = int.from_bytes(head[:4], "big"), head[4:]
            if name in (b"moov", b"mdat"):
                return name == b"moov"
            if len(head) < 8 or size < 8:
                return False
            file.seek(size - 8, os.SEEK_CUR)
    return False


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
