"""Media containers: endings, muxers and default codecs."""

from pathlib import Path

MUXERS = {
    ".mp4": "mp4", ".m4v": "mp4", ".m4a": "mp4", ".m4b": "mp4", ".m4r": "mp4", ".mov": "mov", ".qt": "mov",
    ".mkv": "matroska", ".mka": "matroska", ".mk3d": "matroska", ".webm": "webm", ".weba": "webm", ".aac": "adts",
    ".adts": "adts", ".wma": "asf", ".wmv": "asf", ".asf": "asf", ".avi": "avi", ".3gp": "3gp", ".3ga": "3gp",
    ".3g2": "3g2", ".ts": "mpegts", ".m2ts": "mpegts", ".mts": "mpegts", ".flv": "flv", ".f4v": "f4v", ".mpg": "mpeg",
    ".mpeg": "mpeg", ".vob": "vob", ".ogv": "ogg", ".ogm": "ogg", ".ac3": "ac3", ".eac3": "eac3", ".amr": "amr",
    ".tta": "tta", ".wv": "wv", ".mxf": "mxf", ".nut": "nut",
}  # fmt: skip
"""Muxers by ending."""
BRANDS = {".m4a": "M4A ", ".m4b": "M4B "}
"""Apple's endings for MP4 with sound only."""
READ_ONLY = frozenset(
    ".alac .m4p .awb .ape .tak .dts .ra .ram .rm .rmvb .mpc .mpp .mp1 .mpa .mpga .dsf .dff .shn .ofr .gsm .qcp .aax .dss"
    " .amb .vox .oma .spx".split()
)
"""Endings that can be read but not written."""
ENDINGS = frozenset(MUXERS) | READ_ONLY
TIMELESS = frozenset({"adts", "ac3", "eac3", "amr", "tta", "wv", "avi"})
"""Containers without timestamps of sound."""
DELAYS = {"aac": 1024, "libmp3lame": 1105, "mp2": 481, "ac3": 256, "eac3": 256}
"""Delay of encoders in samples, which containers other than MP4 cannot state or few players know of."""
EARLY = frozenset({"flv", "mpegts", "mpeg", "vob", "matroska", "nut"})
"""Containers in which the delay of an encoder shows as an earlier start of the sound."""
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,avi,caf,dsf,dts,dtshd,dv,eac3,f4v,flac,flv,gsm,gxf,iff,kux,"
    "live_flv,loas,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,oma,qcp,rm,shn,spx,tak,"
    "truehd,tta,voc,w64,wav,wsd,wtv,wv,xwma,dsicin,dss,dff,dffp,iss"
)
"""Demuxers of single files. Demuxers of playlists and networks, which open other files, are excluded."""
ENCODERS = {
    "opus": "libopus", "mp3": "libmp3lame", "mp3float": "libmp3lame", "amr_nb": "libopencore_amrnb",
    "amrnb": "libopencore_amrnb", "libopencore_amrnb": "libopencore_amrnb", "wmav1": "wmav2", "aac_latm": "aac",
    "aac_fixed": "aac", "mp2float": "mp2", "ac3_fixed": "ac3", "libopus": "libopus", "libmp3lame": "libmp3lame",
}  # fmt: skip
"""Encoders whose name differs from that of the codec."""
LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Usual layout by number of channels."""
SUCCESSORS = frozenset({"wmav1", "aac_latm"})
"""Codecs whose encoder in :data:`ENCODERS` is one of another codec."""
EXPERIMENTAL = frozenset({"vorbis", "sonic", "s302m", "truehd", "mlp", "dca"})
"""Codecs without an encoder of sufficient quality."""
DEFAULTS = {
    "webm": "opus", "avi": "mp3", "asf": "wmav2", "ogg": "opus", "mpeg": "mp2", "vob": "ac3", "mxf": "pcm_s16le",
    "amr": "amr_nb", "nut": "flac", "ac3": "ac3", "eac3": "eac3", "tta": "tta", "wv": "wavpack",
}  # fmt: skip
"""Default codec of a container if the recording's codec cannot be written; AAC for other containers."""
LOSSLESS = frozenset("flac alac tta wavpack ape tak truehd mlp shorten wmalossless mp4als dst".split())
RATES = {
    "ac3": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640),
    "mp2": (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    "libmp3lame": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}  # fmt: skip
"""Supported bit rates in kbit/s of encoders with fixed bit rates."""


def is_media(path: Path) -> bool:
    """Whether the ending is that of a media file that libsndfile does not read."""
    return path.suffix.lower() in ENDINGS


def is_lossless(codec: str) -> bool:
    """Whether a codec is lossless, and thus has no selectable bit rate."""
    return codec in LOSSLESS or codec.startswith("pcm_")
