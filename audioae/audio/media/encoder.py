"""Codec, sample rate and bit rate of the sound in a media file, and its frames."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audioae.audio.media.kinds import DEFAULTS, DELAYS, ENCODERS, EXPERIMENTAL, LAYOUTS, RATES, SUCCESSORS, is_lossless
from audioae.audio.media.library import pyav, reason
from audioae.audio.media.timeline import Timeline
from audioae.errors import OutputError
from audioae.signal.resample import Resampler

if TYPE_CHECKING:
    from av import AudioFrame
    from av.container import OutputContainer

Wave = NDArray[np.float32]
LOSSY_BITS = 80_000
"""Bit rate per channel of a codec that replaces another one."""
LEAST_BITS = {"aac": 16_000, "libopus": 6_000}
"""Smallest bit rate per channel of a recording that is kept."""
AAC_FRAME = 6144
"""Largest number of bits per channel of AAC in 1024 samples."""
USUAL_OF_AAC = {"5.1(side)": "5.1", "5.0(side)": "5.0"}
"""Layouts of DTS and others, of the same order, that few players of AAC know."""
NO_PCM = frozenset({"mp4", "f4v", "3gp", "3g2"})
"""Containers that have a form of PCM which few players know."""
FRAME = 4096
"""Samples per frame, if the codec supports any number."""
_SHORTEST = 0.06
"""Longest frame of an encoder in seconds of which the last one may be shorter."""


@dataclass(frozen=True)
class Encoding:
    """Encoding of the sound.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        rate: sample rate of the encoded sound in Hz.
        layout: channel layout.
        sample_format: FFmpeg's name of the sample format.
        bit_rate: bits per second; 0 for lossless codecs.
        bits: bits of an integer sample; 0 for floats.
        notes: notes for the user.
    """

    encoder: str
    rate: int
    layout: str
    sample_format: str
    bit_rate: int
    bits: int = 0
    notes: tuple[str, ...] = ()

    def with_bit_rate(self, measured: int) -> "Encoding":
        """The encoding with the supported bit rate nearest to the recording; unchanged for lossless codecs."""
        if not self.bit_rate or not measured:
            return self
        return replace(self, bit_rate=_possible(self.encoder, measured, self.layout))

    def apply(self, context: Any) -> None:
        """Set up an encoder's context."""
        context.sample_rate, context.layout, context.format = self.rate, self.layout, self.sample_format
        if self.bit_rate:
            context.bit_rate = self.bit_rate
        if self.encoder == "libopus":  # its default is a quarter lower for some sounds
            context.options = {"vbr": "constrained"}


def choose(
    path: Path, container: "OutputContainer", codec: str, source: str, rate: int, layout: str, bits: int,
    measured: int, requested: str = "", bitrate: int = 0,
) -> Encoding:  # fmt: skip
    """The encoding of a result.

    Args:
        path: path of the result, for messages.
        container: container of the result.
        codec: codec of the recording.
        source: path of the recording, for messages.
        rate: sample rate in Hz.
        layout: channel layout of the recording.
        bits: bits of its samples, 0 for floats.
        measured: its bit rate in bits per second, 0 if unknown.
        requested: codec to use; empty for that of the recording.
        bitrate: requested bit rate in bits per second; 0 for that of the recording.

    Raises:
        OutputError: the container does not support the codec, or the encoder does not support this bit rate or layout.
    """
    av = pyav(path)
    muxer = container.format.name
    unusual = not requested and codec.startswith("pcm_") and muxer in NO_PCM
    encoder = None if unusual else _encoder(av, requested or codec, container)
    notes: tuple[str, ...] = ()
    if encoder is None and requested:
        raise OutputError(
            f"{path}: {muxer} cannot be written with the codec {requested!r}: choose another --codec, such as aac"
        )
    replaced = encoder is None
    if encoder is None:
        other = DEFAULTS.get(muxer, "aac")
        if is_lossless(codec) and muxer in ("matroska", "mp4", "mov"):
            other = "flac" if muxer == "matroska" else "alac"
        encoder = _encoder(av, other, container)
        if encoder is None:
            raise OutputError(
                f"{path}: {codec} in {muxer} can be read but not written: give another ending with -o, such as .mka"
            )
        notes = (f"{codec} cannot be written: the sound of the result is {encoder.removeprefix('lib')}",)
    elif not requested and codec in SUCCESSORS:
        notes = (f"{codec} is not written: the sound of the result is {encoder}",)
    if encoder == "aac" and codec != "aac":
        layout = USUAL_OF_AAC.get(layout, layout)
    channels = av.AudioLayout(layout).nb_channels
    lossy = not is_lossless(encoder)
    bit_rate = 0
    if lossy:
        kept = measured if not replaced and not requested else min(measured, LOSSY_BITS * channels) if measured else 0
        bit_rate = bitrate or _possible(encoder, kept or LOSSY_BITS * channels, layout, channels)
        _check(path, encoder, bitrate, rate, channels)
    found = av.Codec(encoder, "w")
    rates = found.audio_rates or [rate]
    out_rate = rate if rate in rates else min((r for r in rates if r >= rate), default=max(rates))
    if out_rate != rate:
        notes += (f"{encoder.removeprefix('lib')} does not support {rate} Hz: the sound of the result has {out_rate} Hz",)
    form, depth = _sample_format([each.name for each in found.audio_formats or []], bits, lossy)
    encoding = Encoding(encoder, out_rate, layout, form, bit_rate, depth, notes)
    return _that_opens(av, path, encoding, channels)


def _encoder(av: Any, codec: str, container: "OutputContainer") -> str | None:
    """The encoder of a codec; None if there is none, or if the container does not support it."""
    name = ENCODERS.get(codec, codec)
    if name in EXPERIMENTAL:
        return None
    try:
        made = container.add_stream(name)
    except ValueError:  # unknown codec, or not supported by the container
        return None
    return name if made.type == "audio" else None


def _possible(encoder: str, bit_rate: int, layout: str, channels: int = 1) -> int:
    if encoder in RATES:
        return 1000 * min(RATES[encoder], key=lambda each: abs(1000 * each - bit_rate))
    return max(bit_rate, LEAST_BITS.get(encoder, 0) * channels)


def _check(path: Path, encoder: str, bitrate: int, rate: int, channels: int) -> None:
    """Reject a bit rate that the encoder would change silently."""
    highest = {"aac": AAC_FRAME * rate * channels // 1024, "libopus": 256_000 * channels}.get(encoder)
    lowest = {"aac": 8_000, "libopus": 6_000}.get(encoder, 0)
    if encoder in RATES:
        lowest, highest = 1000 * RATES[encoder][0], 1000 * RATES[encoder][-1]
    if bitrate and highest is not None and not lowest <= bitrate <= highest:
        raise OutputError(
            f"{path}: {encoder.removeprefix('lib')} of {channels} channels at {rate} Hz has {lowest // 1000} to "
            f"{highest // 1000} kbit/s, not {bitrate // 1000}: choose another --bitrate"
        )


def _sample_format(there: list[str], bits: int, lossy: bool) -> tuple[str, int]:
    """The sample format for a bit depth, and its own bit depth; 0 for floats."""
    wide = [name for name in there if name.startswith("s32")]
    narrow = [name for name in there if name.startswith("s16")]
    floats = [name for name in there if name.startswith("flt")]
    if lossy or not bits:
        order = [*floats, *wide, *narrow, *there]
    else:
        order = [*narrow, *wide, *floats, *there] if bits <= 16 else [*wide, *floats, *narrow, *there]
    name = order[0] if order else "fltp"
    return name, 16 if name.startswith("s16") else 24 if name.startswith("s32") else 0


def _that_opens(av: Any, path: Path, encoding: Encoding, channels: int) -> Encoding:
    """The encoding with the recording's channel layout, or the default one if the encoder does not support it."""
    why = ""
    for layout in dict.fromkeys((encoding.layout, LAYOUTS.get(channels))):
        if layout is None:
            continue
        tried = replace(encoding, layout=layout)
        context = av.CodecContext.create(tried.encoder, "w")
        try:
            tried.apply(context)
            context.open()
        except (av.FFmpegError, ValueError) as error:
            why = reason(error)
            continue
        return tried
    bit_rate = f" with {encoding.bit_rate // 1000} kbit/s" if encoding.bit_rate else ""
    raise OutputError(
        f"{path}: {encoding.encoder.removeprefix('lib')} cannot take {channels} channels ({encoding.layout}) at "
        f"{encoding.rate} Hz{bit_rate} ({why}): choose another --codec or --bitrate"
    )


def rounded(block: Wave, bits: int) -> Wave:
    """Round a block to integers of ``bits``; unchanged for 0 bits."""
    if not bits:
        return block
    scale = 2.0 ** (bits - 1)
    return np.asarray(np.clip(np.rint(block * np.float64(scale)), -scale, scale - 1) / scale, block.dtype)


def frames(
    path: Path, blocks: Iterable[Wave], encoding: Encoding, size: int, timeline: Timeline, start: int, earlier: int
) -> Iterator["AudioFrame"]:
    """Sound as frames for an encoder, with timestamps.

    Args:
        path: path of the result.
        blocks: blocks ``(N, C)`` at the recording's rate.
        encoding: encoding of the result.
        size: samples per frame; 0 for any number.
        timeline: timeline of the recording.
        start: index of the first sample of ``blocks`` in the recording; negative for silence before it.
        earlier: samples by which all timestamps are shifted to earlier times.
    """
    av = pyav(path)
    size = size or FRAME
    ratio = Fraction(timeline.rate, encoding.rate)
    done, least = 0, None
    for wave in _cut(_resampled(blocks, timeline.rate, encoding.rate), size):
        at = start + round(done * ratio)
        time = timeline.time(at) + (start + done * ratio - at - earlier) / timeline.rate
        frame = av.AudioFrame.from_ndarray(_packed(wave, encoding), encoding.sample_format, encoding.layout)
        frame.sample_rate, frame.time_base = encoding.rate, Fraction(1, encoding.rate)
        stamp = round(time * encoding.rate)
        frame.pts = stamp if least is None else max(stamp, least)
        least = frame.pts + 1
        done += len(wave)
        yield frame


def unflushed(context: Any) -> int:
    """Samples that an encoder holds back at the end, so that as many must follow."""
    return 0 if context.codec.delay else DELAYS.get(context.name, 0)


def _resampled(blocks: Iterable[Wave], before: int, after: int) -> Iterator[Wave]:
    if before == after:
        yield from blocks
        return
    resampler: Resampler | None = None
    for block in blocks:
        resampler = resampler or Resampler(before, after, block.shape[1])
        yield resampler.feed(block)
    if resampler is not None:
        yield resampler.flush()


def _cut(blocks: Iterable[Wave], size: int) -> Iterator[Wave]:
    held: list[Wave] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= size:
            joined = np.concatenate(held)
            whole = count // size * size
            for at in range(0, whole, size):
                yield joined[at : at + size]
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def _packed(wave: Wave, encoding: Encoding) -> NDArray[Any]:
    """``(N, C)`` in the sample format of the codec, planar or packed."""
    name = encoding.sample_format
    data: NDArray[Any]
    if encoding.bits:
        scale = 2.0 ** (encoding.bits - 1)
        whole = np.clip(np.rint(wave * np.float64(scale)), -scale, scale - 1)
        data = whole.astype(np.int16) if encoding.bits == 16 else whole.astype(np.int32) << 8
    elif name.startswith("u8"):
        data = np.clip(np.rint(wave * 128) + 128, 0, 255).astype(np.uint8)
    elif name.startswith("dbl"):
        data = wave.astype(np.float64)
    else:
        data = wave.astype(np.float32)
    return np.ascontiguousarray(data.T) if name.endswith("p") else np.ascontiguousarray(data.reshape(1, -1))
