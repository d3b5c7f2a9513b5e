"""audioae cleans and models audio with autoencoders.

>>> import audioae, numpy as np
>>> clean = audioae.denoise(np.zeros(8000), 8000)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from audioae.errors import (
    AudioaeError,
    AudioaeWarning,
    BundleError,
    DataError,
    InputError,
    MissingExtraError,
    ModelFileError,
    OutputError,
    RecipeError,
)

if TYPE_CHECKING:
    from audioae.autoencoders.autoencoder import Autoencoder
    from audioae.classifiers.classifier import Classifier
    from audioae.denoisers.denoiser import Denoiser
    from audioae.generators.generator import Generator
    from audioae.nn.strength import Strength
    from audioae.runtime.array import denoise
    from audioae.runtime.codes import Codes, decode, encode, interpolate, reconstruct, sample
    from audioae.runtime.generate import generate
    from audioae.runtime.loading import load
    from audioae.runtime.onnx_export import export
    from audioae.runtime.restoration import find_damage, restore
    from audioae.runtime.speech import speech_segments
    from audioae.runtime.streamer import Streamer
    from audioae.signal.damage import Damage, Finding

__version__ = "0.1.0"

__all__ = [
    "AudioaeError",
    "AudioaeWarning",
    "Autoencoder",
    "BundleError",
    "Classifier",
    "Codes",
    "Damage",
    "DataError",
    "Denoiser",
    "Finding",
    "Generator",
    "InputError",
    "MissingExtraError",
    "ModelFileError",
    "OutputError",
    "RecipeError",
    "Streamer",
    "Strength",
    "decode",
    "denoise",
    "encode",
    "export",
    "find_damage",
    "generate",
    "interpolate",
    "load",
    "reconstruct",
    "restore",
    "sample",
    "speech_segments",
]

# Imported at first use, because importing torch takes seconds and `audioae --help` does not need it.
_LAZY = {
    **dict.fromkeys(("Codes", "decode", "encode", "interpolate", "reconstruct", "sample"), "audioae.runtime.codes"),
    "Autoencoder": "audioae.autoencoders.autoencoder",
    "Classifier": "audioae.classifiers.classifier",
    "Denoiser": "audioae.denoisers.denoiser",
    "Damage": "audioae.signal.damage",
    "Finding": "audioae.signal.damage",
    "Generator": "audioae.generators.generator",
    "Streamer": "audioae.runtime.streamer",
    "Strength": "audioae.nn.strength",
    "denoise": "audioae.runtime.array",
    "export": "audioae.runtime.onnx_export",
    "find_damage": "audioae.runtime.restoration",
    "generate": "audioae.runtime.generate",
    "load": "audioae.runtime.loading",
    "restore": "audioae.runtime.restoration",
    "speech_segments": "audioae.runtime.speech",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'audioae' has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
