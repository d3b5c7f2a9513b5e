"""All that the worker processes of the studio take from the rest of the package, in one place."""

from audioae.audio.files import Reader
from audioae.audio.formats import CODED, AudioInfo
from audioae.audio.writer import Writer
from audioae.autoencoders.autoencoder import Autoencoder
from audioae.errors import AudioaeError, InputError, ModelFileError
from audioae.generators.generator import Generator
from audioae.generators.latent import Latent, sound_of
from audioae.modelfile import DEFAULT, info, load, shipped
from audioae.nn.trained import StreamingModel, Strength
from audioae.runtime.attempt import fault
from audioae.runtime.codes import decode, encode, interpolate, sample
from audioae.runtime.files import denoise_file
from audioae.runtime.jobs import DenoiseOptions, ModelChoice
from audioae.runtime.onnx_run import resolved
from audioae.runtime.pcm import ENCODINGS, Pcm
from audioae.runtime.streamer import Streamer
from audioae.signal.seeds import generator as seeded
from audioae.signal.stft import MAX_RATE, MIN_RATE
from audioae.train.adapt import adapt

__all__ = [
    "CODED",
    "DEFAULT",
    "ENCODINGS",
    "MAX_RATE",
    "MIN_RATE",
    "AudioInfo",
    "AudioaeError",
    "Autoencoder",
    "DenoiseOptions",
    "Generator",
    "InputError",
    "Latent",
    "ModelChoice",
    "ModelFileError",
    "Pcm",
    "Reader",
    "Streamer",
    "StreamingModel",
    "Strength",
    "Writer",
    "adapt",
    "decode",
    "denoise_file",
    "encode",
    "fault",
    "info",
    "interpolate",
    "load",
    "resolved",
    "sample",
    "seeded",
    "shipped",
    "sound_of",
]
