"""Jobs: a recording with its results, options of cleaning, and the choice of a model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioae.system.atomic import sweep
from audioae.system.places import place_of

if TYPE_CHECKING:
    from audioae.nn.streaming import Streaming

STANDARD = Path("-")
"""Standard input or output."""


@dataclass(frozen=True)
class Job:
    """One file to clean, with the paths of the result, the removed part, the picture and the segments of speech."""

    source: Path
    target: Path
    removed: Path | None = None
    picture: Path | None = None
    speech: Path | None = None

    @property
    def outputs(self) -> list[Path]:
        """All files that the job writes."""
        return [path for path in (self.target, self.removed, self.picture, self.speech) if path not in (None, STANDARD)]

    def sweep(self) -> bool:
        """Remove temporary files of killed processes from the output folders. Returns whether none are left."""
        done = [sweep(folder) for folder in {place_of(path).parent for path in self.outputs}]
        return all(done)


@dataclass(frozen=True)
class DenoiseOptions:
    """Options of cleaning files; see :class:`~audioae.runtime.streamer.Streamer` and ``audioae denoise --help``."""

    atten_limit: float | None = None
    mix: float = 1.0
    channels: str = "linked"
    overwrite: bool = False
    salvage: bool = False
    workers: int = 1
    """Segments of a long recording that are cleaned in parallel."""
    bitrate: int = 0
    """Bit rate of results in lossy codecs in bits per second; 0 for that of the recording."""
    codec: str = ""
    """Codec of the sound of media files, by FFmpeg's name; empty for that of the recording."""
    track: int = 0
    """Number of the sound track of a media file to clean, from 1; 0 for the default track."""
    loudness: float | None = None
    """Integrated loudness of the result in LUFS; None leaves it as it is after cleaning."""
    repairs: tuple[str, ...] = ()
    """Kinds of damage that a restorer repairs; empty for a denoiser."""
    denoise: str = ""
    """Denoiser that follows the restorer; empty for none."""
    again: bool = False
    """Whether an earlier or concurrent run may have written the result; a file with the same sound is kept."""


@dataclass(frozen=True)
class ModelChoice:
    """Arguments of :func:`audioae.load`: for other processes."""

    model: str = "default"
    device: str = "cpu"
    backend: str = "torch"
    restores: bool = False
    """Load a restorer in place of a denoiser."""

    def load(self) -> "Streaming[Any]":
        """The model, ready to run.

        Raises:
            ModelFileError: no such model or device, or a model that was not trained for this.
        """
        from audioae.errors import ModelFileError
        from audioae.runtime.array import why_no_denoiser
        from audioae.runtime.loading import streaming

        model = streaming(self.model, self.device, self.backend)
        if self.restores:
            check_restorer(model)
        elif model.rebuilds_noise:
            raise ModelFileError(why_no_denoiser(model))
        return model


def check_restorer(model: "Streaming[Any]") -> None:
    """Check that a model restores.

    Raises:
        ModelFileError: it is a denoiser or an autoencoder.
    """
    from audioae.errors import ModelFileError

    if not model.restores:
        raise ModelFileError(
            f"{model.name}: was not trained on damaged speech: take `restore`, or `audioae denoise` for noise"
        )
