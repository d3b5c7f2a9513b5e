"""All that the worker processes of the studio take from the rest of the package, in one place."""

from audioae.audio.files import Reader
from audioae.audio.formats import CODED, AudioInfo
from audioae.audio.writer import Writer
from audioae.denoisers.denoiser import Denoiser, Strength
from audioae.errors import AudioaeError, BundleError, InputError
from audioae.generators.sounds import model_of
from audioae.modelfile import DEFAULT, info, load, shipped
from audioae.runtime.attempt import fault
from audioae.runtime.codes import decode, encode, interpolate, sample
from audioae.runtime.files import denoise_file
from audioae.runtime.generate import images_and_waves
from audioae.runtime.jobs import ModelChoice
from audioae.runtime.jobs import Wishes as DenoiseOptions
from audioae.runtime.latent import Latent, sound_of
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
    "BundleError",
    "DenoiseOptions",
    "Denoiser",
    "InputError",
    "Latent",
    "ModelChoice",
    "Pcm",
    "Reader",
    "Streamer",
    "Strength",
    "Writer",
    "adapt",
    "decode",
    "denoise_file",
    "encode",
    "fault",
    "images_and_waves",
    "info",
    "interpolate",
    "load",
    "model_of",
    "sample",
    "seeded",
    "shipped",
    "sound_of",
]
