"""Copies and compares all tracks except the sound."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

ATTACHED = 1 << 10
"""Disposition flag of still pictures, such as covers."""
NOT_STRICT = 1 << 17
"""Flag of containers in which packets may have equal decoding times."""
LARGEST_PICTURE = 2**26
MOST_DELAYED = 17
"""Number of pictures that may be decoded in advance."""
FIRST_PACKETS = 64
"""Number of packets before which pictures must come."""
OWN_METADATA = frozenset(
    "major_brand minor_version compatible_brands encoder duration number_of_bytes number_of_frames "
    "_statistics_writing_app _statistics_writing_date_utc _statistics_tags bps vendor_id".split()
)
"""Metadata about the file itself, which is not copied."""
NO_TEXT = b"\0\0"
STRICT = frozenset({"mov", "matroska", "avi", "asf", "flv"})
"""Demuxers that return packets as they are stored, without a parser."""


@dataclass
class Sum:
    """Summary of a track.

    Attributes:
        packets: number of packets.
        crc: checksum of all packets.
        first: time of the first packet in seconds; None if it has none.
        last: latest time of a packet.
        total: sum of all times.
        tick: unit of the times in seconds.
    """

    packets: int = 0
    crc: int = 0
    first: float | None = None
    last: float = 0.0
    total: float = 0.0
    tick: float = 0.0

    def add(self, packet: Any) -> None:
        """Add the next packet."""
        self.packets += 1
        self.crc = zlib.crc32(bytes(packet), self.crc)
        if packet.pts is not None and packet.time_base:
            time = float(packet.pts * packet.time_base)
            self.first = time if self.first is None else self.first
            self.last, self.tick = max(self.last, time), float(packet.time_base)
            self.total += time

    def differs(self, other: "Sum", shift: float, strict: bool) -> str:
        """Difference to a copy that is later by ``shift`` seconds; empty if there is none."""
        if self.packets != other.packets:
            return f"{other.packets} packets instead of {self.packets}"
        if strict and self.crc != other.crc:
            return "other bytes"
        if self.first is None or other.first is None:
            return ""
        # The duration of the last packet is rounded twice, because no packet follows it.
        allowed = self.tick + other.tick + 1e-6
        mean = (other.total - self.total) / max(self.packets, 1) - shift
        if abs(mean) > allowed or abs(other.last - self.last - shift) > allowed:
            return "other times"
        return ""


def packets(container: "InputContainer") -> Iterator[Any]:
    """All packets with content, in the order of the file."""
    for packet in container.demux():
        if (packet.size or packet.dts is not None) and not _is_pause(packet):
            yield packet


def _is_pause(packet: Any) -> bool:
    """Whether a packet of MP4 subtitles is an empty subtitle, which the muxer writes itself."""
    context = packet.stream.codec_context if packet.stream is not None and packet.size == len(NO_TEXT) else None
    return context is not None and context.name == "mov_text" and bytes(packet) == NO_TEXT


@dataclass
class Copy:
    """Tracks that are copied from one file to another.

    Attributes:
        streams: streams of the result by the index in the recording, while the result is open.
        places: their indices in the result.
        sums: summaries of the copied tracks by the index in the recording.
        notes: notes about tracks that are left out.
        strict: the container needs increasing decoding times.
    """

    streams: dict[int, Any] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    sums: dict[int, Sum] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    strict: bool = False
    _dts: dict[int, int] = field(default_factory=dict)

    def prepare(self, source: "InputContainer", target: "OutputContainer", stream: Any, level: int) -> None:
        """Add a copy of a stream to the result, or note why not.

        Args:
            source: the recording.
            target: the result.
            stream: stream of the recording.
            level: 0 to copy everything, 1 without the container's names of codecs, 2 also without data.
        """
        what = f"{stream.type} track {stream.index + 1}"
        self.strict = not target.format.flags & NOT_STRICT
        if stream.type == "data" and (level > 1 or not _keeps_data(source, target)):
            if not (source.chapters() or _is_timecode(stream)):  # these are written again by the muxer
                self.notes.append(f"{what}: {target.format.name} has no place for it: left out")
            return
        if stream.type == "attachment" and target.format.name != "matroska":
            self.notes.append(f"{what}: {target.format.name} has no place for it: left out")
            return
        try:
            made = target.add_stream_from_template(stream, opaque=True)
        except (ValueError, RuntimeError) as error:
            self.notes.append(f"{what}: left out ({error})")
            return
        if made.codec_context is not None and not level and _same_family(source, target) and stream.codec_context:
            made.codec_context.codec_tag = stream.codec_context.codec_tag
        if stream.type == "video" and made.codec_context is not None:
            self._describe(made.codec_context, stream, what, target.format.name)
        if source.format.name == target.format.name == "mpegts":
            made.id = stream.id
        made.metadata.update(kept(stream.metadata))
        made.disposition = int(stream.disposition)
        made.time_base = stream.time_base
        if stream.type != "attachment":
            self.streams[stream.index], self.places[stream.index] = made, made.index
            self.sums[stream.index] = Sum()

    def _describe(self, context: Any, stream: Any, what: str, muxer: str) -> None:
        """Set what the container states of pictures and the packets may not."""
        if stream.average_rate:
            context.framerate = stream.average_rate
        shape = stream.sample_aspect_ratio
        own = stream.codec_context.sample_aspect_ratio or 1  # what decoders find in the packets
        if shape and shape != own and muxer in ("matroska", "webm"):
            self.notes.append(f"{what}: {muxer} is written without the shape of its pixels, {shape}")
        if shape:
            context.sample_aspect_ratio = shape

    def take(self, packet: Any) -> Any | None:
        """The packet for the result; None if its track is not copied."""
        index = packet.stream_index
        made = self.streams.get(index)
        if made is None:
            return None
        self.sums[index].add(packet)
        self._set_dts(packet)
        packet.stream = made
        return packet

    def _set_dts(self, packet: Any) -> None:
        """Set a missing decoding time, before the packet's time, and correct one that is not after the last one."""
        index, step = packet.stream_index, max(packet.duration or 1, 1)
        if packet.dts is None and packet.pts is not None:
            before = self._dts.get(index)
            packet.dts = packet.pts - _ahead(packet.stream) * step if before is None else min(before + 1, packet.pts)
        if packet.dts is None:
            return
        before = self._dts.get(index)
        if before is not None and packet.dts <= before and packet.stream.type == "video" and self.strict:
            # MPEG states few times, and the demuxer's guess of those between may go back.
            packet.dts = before + 1
            packet.pts = packet.pts if packet.pts is None else max(packet.pts, packet.dts)
        self._dts[index] = packet.dts


def _ahead(stream: Any) -> int:
    """Number of pictures that are decoded before the first one is shown."""
    return getattr(stream.codec_context, "reorder_depth", MOST_DELAYED) if stream.type == "video" else 0


def is_cover(stream: Any) -> bool:
    """Whether a track is a picture that belongs to the file, such as a cover."""
    return stream.type == "video" and bool(int(stream.disposition) & ATTACHED)


def covers(container: "InputContainer") -> dict[int, tuple[str, str, bytes]]:
    """Name, media type and content of the pictures that belong to a file, by the index of their tracks."""
    wanted = {each.index: each for each in container.streams if is_cover(each)}
    found: dict[int, tuple[str, str, bytes]] = {}
    if not wanted:
        return found
    for packet in islice(packets(container), FIRST_PACKETS):
        stream = wanted.get(packet.stream_index)
        if stream is not None and packet.stream_index not in found and packet.size <= LARGEST_PICTURE:
            kind = {"mjpeg": "jpeg"}.get(stream.codec_context.name, stream.codec_context.name)
            name = stream.metadata.get("filename", f"cover.{kind.replace('jpeg', 'jpg')}")
            found[packet.stream_index] = (name, stream.metadata.get("mimetype", f"image/{kind}"), bytes(packet))
        if len(found) == len(wanted):
            break
    return found


def kept(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata except that about the file itself."""
    return {key: value for key, value in metadata.items() if key.lower().partition("-")[0] not in OWN_METADATA}


def start_of(packet: Any) -> Fraction:
    """Time of a packet for its position in the file."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if stamp is None or not packet.time_base else Fraction(stamp * packet.time_base)


def _same_family(source: "InputContainer", target: "OutputContainer") -> bool:
    return target.format.name in source.format.name.split(",") or (
        source.format.name.startswith("mov") and target.format.name == "f4v"
    )


def _keeps_data(source: "InputContainer", target: "OutputContainer") -> bool:
    return target.format.name in ("mpegts", "mxf", "nut") and _same_family(source, target)


def _is_timecode(stream: Any) -> bool:
    return "timecode" in stream.metadata
