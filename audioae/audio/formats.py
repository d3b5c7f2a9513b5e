"""Container, subtype and bit rate of a result, by its name and by the input."""

from dataclasses import dataclass, replace
from pathlib import Path

import soundfile

from audioae.errors import OutputError

BITS = {
    "PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "ULAW": 16, "ALAW": 16,
    "IMA_ADPCM": 16, "MS_ADPCM": 16, "GSM610": 16, "G721_32": 16, "G723_24": 16, "G723_40": 16,
    "ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24, "ALAC_32": 32, "VOX_ADPCM": 16, "NMS_ADPCM_16": 16,
    "NMS_ADPCM_24": 16, "NMS_ADPCM_32": 16, "DWVW_12": 12, "DWVW_16": 16, "DWVW_24": 24,
}  # fmt: skip
"""Integer subtypes and their bit depth; other subtypes hold floats."""
CONTAINERS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".mp3": "MP3", ".aif": "AIFF",
              ".aiff": "AIFF", ".aifc": "AIFF", ".au": "AU", ".snd": "AU", ".caf": "CAF", ".w64": "W64", ".rf64": "RF64",
              ".wave": "WAV", ".bwf": "WAV"}  # fmt: skip
WAVE_FILES = frozenset({"WAV", "WAVEX", "RF64"})
WAV_LIMIT = 2**32 - 2**20
"""Largest size of the sound in a WAV file in bytes. Sizes have 32 bits, and tags need room too."""
CODED = frozenset({"VORBIS", "OPUS", "MPEG_LAYER_III"})
"""Subtypes with a selectable bit rate."""
_BY_SAMPLE = frozenset("PCM_S8 PCM_U8 PCM_16 PCM_24 PCM_32 FLOAT DOUBLE ULAW ALAW".split())
"""Subtypes that are equal in every container. Block codecs pad the last block differently in each container."""
_READ_ONLY = frozenset({("MP3", "MPEG_LAYER_I"), ("MP3", "MPEG_LAYER_II"), ("WAV", "MPEG_LAYER_III"),
                        ("VOC", "ULAW"), ("VOC", "ALAW")})  # fmt: skip
"""libsndfile decodes these, but fails to encode them or writes an additional frame."""
_OGG_ORDER = {
    3: (0, 2, 1), 5: (0, 2, 1, 3, 4), 6: (0, 2, 1, 4, 5, 3), 7: (0, 2, 1, 5, 6, 4, 3), 8: (0, 2, 1, 6, 7, 4, 5, 3)
}  # fmt: skip
"""WAV channel (front left, front right, centre, low frequencies, back, side) of each channel of Vorbis and Opus."""
_PREFERRED = ("PCM_24", "PCM_16", "FLOAT", "VORBIS", "MPEG_LAYER_III")


@dataclass(frozen=True)
class AudioInfo:
    """Contents of a file's header.

    Attributes:
        rate: Hz.
        channels: C.
        frames: N.
        container: libsndfile's name, such as ``WAV``.
        subtype: libsndfile's name, such as ``PCM_16``.
        endian: ``FILE``, ``LITTLE``, ``BIG`` or ``CPU``.
        bitrate: bits per second of ``CODED`` subtypes; 0 for the encoder's default.
        constant: whether the bit rate is constant; otherwise it is an average.
        speakers: channel mask as in WAVE_FORMAT_EXTENSIBLE; 0 if unknown.
        order: channel of the recording for each channel of the result; empty for the same order.
    """

    rate: int
    channels: int
    frames: int
    container: str
    subtype: str
    endian: str = "FILE"
    bitrate: int = 0
    constant: bool = False
    speakers: int = 0
    order: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.rate


def format_for(path: Path, info: AudioInfo, keep: bool = False, bitrate: int = 0) -> AudioInfo:
    """The format of a result.

    The ending determines the container. The subtype and bit rate of the input are kept if the container supports them. A WAV
    file above 4 GB becomes RF64.

    Args:
        path: path of the result.
        info: format of the input.
        keep: keep the container regardless of the ending.
        bitrate: bit rate of MP3, Vorbis and Opus in bits per second; 0 for that of the input, if its codec is the same.

    Raises:
        OutputError: an ending that libsndfile does not write, or a codec that it only reads.
    """
    container = info.container
    ending = path.suffix.lower()
    if not keep:
        wanted = CONTAINERS.get(ending)
        if wanted is None:
            raise OutputError(f"{path}: unknown ending {ending!r}: use one of {' '.join(sorted(CONTAINERS))}")
        container = container if (container, wanted) == ("WAVEX", "WAV") else wanted
    if container == "WAV" and info.speakers not in (0, default_speakers(info.channels)):
        container = "WAVEX"
    subtype = _subtype(path, info, container, ending, keep)
    width = {"DOUBLE": 8, "FLOAT": 4}.get(subtype, BITS.get(subtype, 16) / 8)
    if container in ("WAV", "WAVEX") and info.frames * info.channels * width > WAV_LIMIT:
        container = "RF64"
    endian = (
        info.endian if container == info.container and soundfile.check_format(container, subtype, info.endian) else "FILE"
    )
    if bitrate or subtype != info.subtype or subtype not in CODED:
        chosen = replace(info, bitrate=bitrate if subtype in CODED else 0, constant=True)
    else:
        chosen = info
    order = _order(info.container, container, info.channels)
    return replace(chosen, container=container, subtype=subtype, endian=endian, order=order)


def default_speakers(channels: int) -> int:
    """The channel mask that libsndfile writes: for mono, stereo, quadraphonic, 5.1 and 7.1, otherwise 0."""
    return {1: 0x4, 2: 0x3, 4: 0x33, 6: 0x3F, 8: 0x63F}.get(channels, 0)


def _order(before: str, after: str, channels: int) -> tuple[int, ...]:
    """The channel order between containers: libsndfile does not reorder the channels of Vorbis and Opus."""
    order = _OGG_ORDER.get(channels, ())
    if (before == "OGG") == (after == "OGG"):
        return ()
    return order if after == "OGG" else tuple(order.index(channel) for channel in range(len(order)))


def _subtype(path: Path, info: AudioInfo, container: str, ending: str, keep: bool) -> str:
    if ending == ".opus" and not keep:
        return "OPUS"
    if keep and container == "SD2":
        raise OutputError(
            f"{path}: SD2 keeps its header in a second file, which is not written: choose another ending with -o"
        )
    if keep and info.subtype.startswith("MPEG") and (container, info.subtype) in _READ_ONLY and container == "MP3":
        raise OutputError(f"{path}: {info.subtype} can be read but not written: choose another ending with -o, such as .mp3")
    if container == "CAF" and info.subtype == "ALAC_20" and info.channels > 1:
        return "ALAC_24"  # libsndfile swaps channels of ALAC with 20 bits
    stays = container == info.container or {container, info.container} <= WAVE_FILES or info.subtype in _BY_SAMPLE
    if stays and (container, info.subtype) not in _READ_ONLY and soundfile.check_format(container, info.subtype):
        return info.subtype
    possible = [name for name in soundfile.available_subtypes(container) if (container, name) not in _READ_ONLY]
    bits = BITS.get(info.subtype, 24 if info.subtype in ("FLOAT", "DOUBLE") else 16)
    best = "PCM_16" if bits <= 16 else "PCM_24"
    names = (f"PCM_{bits}", best, *_PREFERRED)
    return next((name for name in names if name in possible), soundfile.default_subtype(container))
