"""Exported networks of model files, kept in the user's cache folder: torch is needed only once per model and rate.

An entry holds the ONNX files of a model, or of an ensemble's members, at one rate. Its name is a hash of the model file, of
the code that decides what is exported, and of the versions of this package and of the exporting ones. A checksum
identifies damaged entries, which are exported again.
"""

import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audioae import __version__
from audioae.errors import AudioaeWarning, ModelFileError, OutputError
from audioae.runtime.onnx_run import OnnxNetwork, onnxruntime
from audioae.system.atomic import locked, sweep, write_file
from audioae.weight_files import locate

if TYPE_CHECKING:
    from audioae.denoisers.denoiser import Denoiser

HEAD = b"audioae graphs 1\n"
ENDING = ".graphs"
UNUSED_SECONDS = 90 * 86_400.0
"""Entries that were not used for so long are removed when another one is written."""
DAY = 86_400.0
PACKAGE = Path(__file__).parent.parent
CODE = ("denoisers", "nn", "signal", "runtime/onnx_export.py", "runtime/onnx_step.py", "modelfile.py")
"""What decides the exported graph, beside the weights and these packages:"""
EXPORTERS = ("torch", "onnx", "onnxscript")


def folder() -> Path | None:
    """The folder of the cache, by the XDG Base Directory Specification; None if there is no home folder."""
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "audioae" / "onnx"
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():  # others are to be ignored
        return given / "audioae" / "onnx"
    try:
        return Path.home() / ".cache" / "audioae" / "onnx"
    except RuntimeError:
        return None


@cache
def _code() -> bytes:
    """Hash of the versions and of the code that decide the graph."""
    digest = hashlib.sha256(__version__.encode())
    for package in EXPORTERS:
        with suppress(PackageNotFoundError):
            digest.update(f"{package} {version(package)}\n".encode())
    for place in CODE:
        for path in sorted((PACKAGE / place).rglob("*.py")) if not place.endswith(".py") else [PACKAGE / place]:
            with suppress(OSError):
                digest.update(path.read_bytes())
    return digest.digest()


class CachedGraphs:
    """Networks of a model file, exported when they are needed at a rate for the first time.

    Args:
        name_or_path: a model of the package, or the path of a model file.

    Raises:
        ModelFileError: no such model, or no denoiser.
        MissingExtraError: onnxruntime is not installed.
    """

    def __init__(self, name_or_path: str | os.PathLike[str]) -> None:
        onnxruntime()
        self.path = locate(name_or_path).absolute()
        self.name = self.path.stem
        self.key = self._key()
        self._made: dict[int, list[bytes]] = {}
        self._denoiser: Denoiser | None = None
        place = folder()
        if place is None or not any(place.glob(f"{self.key}-*{ENDING}")):
            self._loaded()  # nobody has used it yet: check that it is a denoiser

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle and copies, without the model that torch runs."""
        return self.__dict__ | {"_denoiser": None}

    def at(self, rate: int) -> Sequence[OnnxNetwork]:
        """The networks for a rate: from the cache, or exported and kept there.

        Raises:
            InputError: the rate is not within 8 to 192 kHz.
            ModelFileError: the model cannot be exported, or its file has changed meanwhile.
            MissingExtraError: onnxruntime, or a package for the export, is not installed.

        Warns:
            AudioaeWarning: the cache cannot be written, so that the next process has to export again.
        """
        place = folder()
        entry = place / f"{self.key}-{rate}{ENDING}" if place else None
        networks = self._opened(self._made.get(rate) or self._read(entry, rate), rate)
        if networks is None:
            with _alone(place):
                # Another process may have exported it meanwhile.
                networks = self._opened(self._read(entry, rate), rate) or self._exported(entry, rate)
        return networks

    def _opened(self, models: list[bytes] | None, rate: int) -> list[OnnxNetwork] | None:
        if models is None:
            return None
        try:
            networks = [OnnxNetwork(model, self.name) for model in models]
        except ModelFileError:  # an intact entry of an onnxruntime with more features
            return None
        self._made[rate] = models
        return networks

    def _exported(self, entry: Path | None, rate: int) -> list[OnnxNetwork]:
        from audioae.runtime.onnx_export import onnx_bytes

        denoiser = self._loaded()
        models = [onnx_bytes(part, rate) for part in denoiser.members or [denoiser]]
        networks = [OnnxNetwork(model, self.name) for model in models]
        self._made[rate] = models
        if entry is not None:
            self._write(entry, models, rate)
        return networks

    def _loaded(self) -> "Denoiser":
        """The model, by torch."""
        if self._denoiser is None:
            from audioae import modelfile
            from audioae.denoisers.denoiser import Denoiser
            from audioae.runtime.loading import of_family

            denoiser = of_family(modelfile.load(self.path), Denoiser)
            if self._key() != self.key:
                raise ModelFileError(f"{self.path}: has changed since it was opened: load it again")
            self._denoiser = denoiser
        return self._denoiser

    def _key(self) -> str:
        try:
            return hashlib.sha256(_code() + hashlib.sha256(self.path.read_bytes()).digest()).hexdigest()[:32]
        except OSError as error:
            raise ModelFileError(f"{self.path}: cannot be read: {error.strerror}") from error

    def _sum(self, content: bytes, rate: int) -> bytes:
        return hashlib.sha256(f"{self.key} {rate} ".encode() + content).digest()

    def _read(self, entry: Path | None, rate: int) -> list[bytes] | None:
        """The ONNX files of an entry; None if there is none, or a damaged one."""
        if entry is None:
            return None
        try:
            data = entry.read_bytes()
            start = len(HEAD) + 32
            content = data[start:]
            if data[:start] != HEAD + self._sum(content, rate):
                return None
            if time.time() - entry.stat().st_mtime > DAY:
                with suppress(OSError):  # used, and so not removed
                    os.utime(entry)
        except OSError:
            return None
        sizes, _, rest = content.partition(b"\n")
        models, at = [], 0
        for size in json.loads(sizes):
            models.append(rest[at : at + size])
            at += size
        return models

    def _write(self, entry: Path, models: list[bytes], rate: int) -> None:
        content = json.dumps([len(model) for model in models]).encode() + b"\n" + b"".join(models)
        try:
            write_file(entry, HEAD + self._sum(content, rate) + content)
        except OutputError as error:
            warnings.warn(
                f"{self.name} was exported for {rate} Hz by torch, which takes a while, and cannot be kept: {error}",
                AudioaeWarning,
                stacklevel=2,
            )
            return
        sweep(entry.parent)
        for other in entry.parent.glob(f"*{ENDING}"):
            with suppress(OSError):
                if time.time() - other.stat().st_mtime > UNUSED_SECONDS:
                    other.unlink()


@contextmanager
def _alone(place: Path | None) -> Iterator[None]:
    """Let one process at a time export, if the cache can be written."""
    handle = None
    if place is not None:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            handle = os.open(place / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    if handle is None:
        yield
        return
    try:
        with locked(handle):
            yield
    finally:
        os.close(handle)
