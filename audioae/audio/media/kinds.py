"""Media containers: their endings, and what each is written with where a codec cannot be kept."""

from pathlib import Path

MUXERS = {
    ".mp4": "mp4", ".m4v": "mp4", ".m4a": "mp4", ".m4b": "mp4", ".m4r": "mp4", ".mov": "mov", ".qt": "mov",
    ".mkv": "matroska", ".mka": "matroska", ".mk3d": "matroska", ".webm": "webm", ".weba": "webm", ".aac": "adts",
    ".adts": "adts", ".wma": "asf", ".wmv": "asf", ".asf": "asf", ".avi": "avi", ".3gp": "3gp", ".3ga": "3gp",
    ".3g2": "3g2", ".ts": "mpegts", ".m2ts": "mpegts", ".mts": "mpegts", ".flv": "flv", ".f4v": "f4v", ".mpg": "mpeg",
    ".mpeg": "mpeg", ".vob": "vob", ".ogv": "ogg", ".ogm": "ogg", ".ac3": "ac3", ".eac3": "eac3", ".amr": "amr",
    ".tta": "tta", ".wv": "wv", ".mxf": "mxf", ".nut": "nut", ".spx": "spx",
}  # fmt: skip
"""Muxers by ending."""
BRANDS = {".m4a": "M4A ", ".m4b": "M4B "}
"""Apple's names for MP4 with sound alone."""
READ_ONLY = frozenset(
    ".alac .m4p .awb .ape .tak .dts .ra .ram .rm .rmvb .mpc .mpp .mp1 .mpa .mpga .dsf .dff .shn .ofr .gsm .qcp .aax .dss"
    " .amb .vox .oma".split()
)
"""Endings that are read, and for which there is no muxer or no encoder."""
ENDINGS = frozenset(MUXERS) | READ_ONLY
TIMELESS = frozenset({"adts", "ac3", "eac3", "amr", "tta", "wv", "avi"})
"""Containers that state no timestamps of sound."""
DELAYS = {"aac": 1024, "libmp3lame": 1105, "mp2": 481, "ac3": 256, "eac3": 256}
"""Samples by which encoders delay the sound, where a container cannot state that."""
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,avi,caf,dsf,dts,dtshd,dv,eac3,f4v,flac,flv,gsm,gxf,iff,kux,"
    "live_flv,loas,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mxf,nut,ogg,oma,qcp,rm,shn,spx,tak,"
    "truehd,tta,voc,w64,wav,wsd,wtv,wv,xwma,dsicin,dss,dff,dffp,iss"
)
"""Demuxers that open one file. Those of playlists and networks would open others, and are left out."""
ENCODERS = {
    "opus": "libopus", "mp3": "libmp3lame", "mp3float": "libmp3lame", "amr_nb": "libopencore_amrnb",
    "amrnb": "libopencore_amrnb", "libopencore_amrnb": "libopencore_amrnb", "wmav1": "wmav2", "aac_latm": "aac",
    "aac_fixed": "aac", "mp2float": "mp2", "ac3_fixed": "ac3", "libopus": "libopus", "libmp3lame": "libmp3lame",
}  # fmt: skip
"""Encoders of codecs where their name is not the codec's. Others have their own."""
EXPERIMENTAL = frozenset({"vorbis", "sonic", "s302m", "truehd", "mlp", "dca"})
"""Codecs whose encoder is of too low a quality, or missing."""
DEFAULTS = {
    "webm": "opus", "avi": "mp3", "asf": "wmav2", "ogg": "opus", "mpeg": "mp2", "vob": "ac3", "mxf": "pcm_s16le",
    "amr": "amr_nb", "nut": "flac", "ac3": "ac3", "eac3": "eac3", "tta": "tta", "wv": "wavpack",
}  # fmt: skip
"""Codec of a container for sound whose codec it cannot be written with; AAC for the others."""
LOSSLESS = frozenset("flac alac tta wavpack ape tak truehd mlp shorten wmalossless mp4als dst".split())
RATES = {
    "ac3": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640),
    "mp2": (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    "libmp3lame": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}  # fmt: skip
"""Bit rates in kbit/s of encoders that know these only."""


def is_media(path: Path) -> bool:
    """Whether the ending is that of a media file that libsndfile does not read."""
    return path.suffix.lower() in ENDINGS


def is_lossless(codec: str) -> bool:
    """Whether a codec keeps every sample, so that it has no bit rate to choose."""
    return codec in LOSSLESS or codec.startswith("pcm_")
