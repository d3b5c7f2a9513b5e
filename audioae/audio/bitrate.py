"""Encoder settings for the bit rates of MP3, Vorbis and Opus."""

import io
import struct
from typing import Any

import soundfile

from audioae.audio.formats import CODED, AudioInfo
from audioae.errors import OutputError

_OPUS = (6_000, 256_000)
"""Smallest and largest bit rate per channel, between which libsndfile's level interpolates."""
_LOWEST_LEVEL = 0.999
"""Largest level; LAME rejects a level of 1."""
_MP3_HEADER = 160
"""Bytes of a frame with LAME's header, without the side information."""
_STEPS = 12
"""Steps of the bisection over levels; Vorbis has up to 1000 levels."""


def limits(info: AudioInfo) -> tuple[int, int]:
    """Smallest and largest bit rate of an encoder for this sample rate and number of channels."""
    if info.subtype == "OPUS":
        return _OPUS[0] * info.channels, _OPUS[1] * info.channels
    if info.subtype == "MPEG_LAYER_III":
        return (32_000, 320_000) if info.rate >= 32_000 else (8_000, 160_000 if info.rate >= 16_000 else 64_000)
    return _vorbis(info, 1.0), _vorbis(info, 0.0)


def setting(info: AudioInfo) -> dict[str, Any]:
    """Arguments of :class:`soundfile.SoundFile` for the bit rate of ``info``, or the nearest possible one.

    >>> setting(AudioInfo(44100, 2, 0, "MP3", "MPEG_LAYER_III", bitrate=176_000, constant=True))
    {'compression_level': 0.5, 'bitrate_mode': 'CONSTANT'}
    """
    if not info.bitrate or info.subtype not in CODED:
        return {}
    if info.subtype == "VORBIS":
        return {"compression_level": _vorbis_level(info)}
    lowest, highest = limits(info)
    level = min(max((highest - info.bitrate) / (highest - lowest), 0.0), _LOWEST_LEVEL)
    if info.subtype == "OPUS":
        return {"compression_level": level}
    # The header, which holds the length, does not fit into small frames; with an average bit rate, frames may be larger.
    first = info.rate >= 32_000  # MPEG 1, whose frames have twice as many samples
    side = 17 + (15 if first else 0) if info.channels == 2 else 17 if first else 9
    room = (144 if first else 72) * info.bitrate // info.rate >= _MP3_HEADER + side
    return {"compression_level": level, "bitrate_mode": "CONSTANT" if info.constant and room else "AVERAGE"}


def check(bitrate: int, info: AudioInfo, name: str) -> None:
    """Check that an encoder supports a bit rate.

    Raises:
        OutputError: the bit rate is too low or too high.
    """
    lowest, highest = limits(info)
    if not lowest <= bitrate <= highest:
        raise OutputError(
            f"{name}: {info.subtype} of {info.channels} channels at {info.rate} Hz has {lowest / 1000:.0f} to "
            f"{highest / 1000:.0f} kbit/s, not {bitrate / 1000:.0f}: choose another --bitrate"
        )


def _vorbis_level(info: AudioInfo) -> float:
    """The level with the nearest nominal bit rate, which decreases with the level."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _vorbis(info, middle) > info.bitrate else (low, middle)
    return (low + high) / 2


def _vorbis(info: AudioInfo, level: float) -> int:
    """The nominal bit rate that the encoder writes to the header at this level; 0 if it fails."""
    memory = io.BytesIO()
    try:
        with soundfile.SoundFile(memory, "w", info.rate, info.channels, "VORBIS", None, "OGG", compression_level=level):
            pass
    except (soundfile.LibsndfileError, RuntimeError):
        return 0
    header = memory.getvalue()
    place = header.find(b"\x01vorbis")
    return max(0, struct.unpack_from("<i", header, place + 20)[0]) if place >= 0 else 0
